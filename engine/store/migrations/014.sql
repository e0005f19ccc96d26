-- ot-sensor store, version 14: how many open alerts each run opened, for the counts by sensor and site.

-- Kept by triggers; combinations of none are not kept.
CREATE TABLE alert_run (
    run      INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    status   TEXT NOT NULL,                -- 'new' or 'active'
    count    INTEGER NOT NULL,
    PRIMARY KEY (run, severity, status)
) WITHOUT ROWID;
INSERT INTO alert_run
    SELECT run, severity, status, COUNT(*) FROM alert WHERE status <> 'closed' AND run IS NOT NULL GROUP BY 1, 2, 3;

CREATE TRIGGER alert_run_insert AFTER INSERT ON alert WHEN new.status <> 'closed' AND new.run IS NOT NULL BEGIN
    INSERT INTO alert_run VALUES (new.run, new.severity, new.status, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER alert_run_delete AFTER DELETE ON alert WHEN old.status <> 'closed' AND old.run IS NOT NULL BEGIN
    UPDATE alert_run SET count = count - 1 WHERE run = old.run AND severity = old.severity AND status = old.status;
    DELETE FROM alert_run WHERE run = old.run AND severity = old.severity AND status = old.status AND count <= 0;
END;
CREATE TRIGGER alert_run_leave AFTER UPDATE OF run, severity, status ON alert
WHEN old.status <> 'closed' AND old.run IS NOT NULL
    AND (old.run IS NOT new.run OR old.severity <> new.severity OR old.status <> new.status)
BEGIN
    UPDATE alert_run SET count = count - 1 WHERE run = old.run AND severity = old.severity AND status = old.status;
    DELETE FROM alert_run WHERE run = old.run AND severity = old.severity AND status = old.status AND count <= 0;
END;
CREATE TRIGGER alert_run_enter AFTER UPDATE OF run, severity, status ON alert
WHEN new.status <> 'closed' AND new.run IS NOT NULL
    AND (old.run IS NOT new.run OR old.severity <> new.severity OR old.status <> new.status)
BEGIN
    INSERT INTO alert_run VALUES (new.run, new.severity, new.status, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- ot-sensor store, version 12: a page of alerts comes from indexes that hold all that a list filters and sorts by.

-- Combinations of what has few values, the techniques among it, by a small number that stands in the row of the alert
-- and in each index of alerts. A number may be given again once no alert has it.
DROP TRIGGER alert_group_insert;
DROP TRIGGER alert_group_delete;
DROP TRIGGER alert_group_update;
DROP TABLE alert_group;
CREATE TABLE alert_group (
    type        TEXT NOT NULL,
    status      TEXT NOT NULL,
    severity    INTEGER NOT NULL,
    engine      TEXT NOT NULL,
    protocol    TEXT NOT NULL,             -- '' for none
    expected    INTEGER NOT NULL,
    techniques  TEXT NOT NULL,             -- ids in the order of the alert, separated by a comma
    combination INTEGER NOT NULL UNIQUE,
    count       INTEGER NOT NULL,          -- how many alerts have it; the writer deletes rows of none
    PRIMARY KEY (type, status, severity, engine, protocol, expected, techniques)
) WITHOUT ROWID;
CREATE INDEX alert_group_none ON alert_group (combination) WHERE count <= 0;

DROP INDEX alert_combination;
DROP INDEX alert_time;
DROP INDEX alert_first;
DROP INDEX alert_count;
DROP INDEX alert_severity;
DROP INDEX alert_type;
DROP INDEX alert_span;
DROP TRIGGER alert_technique_insert;
DROP TRIGGER alert_technique_follows;
DROP INDEX alert_technique_technique;
ALTER TABLE alert_technique DROP COLUMN last_detection;

INSERT INTO alert_group
    SELECT type, status, severity, engine, protocol, expected, techniques, row_number() OVER (), COUNT(*) FROM (
        SELECT type, status, severity, engine, COALESCE(protocol, '') AS protocol, expected, COALESCE((
            SELECT group_concat(technique) FROM (SELECT technique FROM alert_technique WHERE alert = number ORDER BY place)
        ), '') AS techniques FROM alert)
    GROUP BY 1, 2, 3, 4, 5, 6, 7;
ALTER TABLE alert ADD COLUMN combination INTEGER NOT NULL DEFAULT 0;
UPDATE alert SET combination = (
    SELECT combination FROM alert_group g
    WHERE g.type = alert.type AND g.status = alert.status AND g.severity = alert.severity AND g.engine = alert.engine
        AND g.protocol = COALESCE(alert.protocol, '') AND g.expected = alert.expected AND g.techniques = COALESCE((
            SELECT group_concat(technique) FROM (SELECT technique FROM alert_technique WHERE alert = number ORDER BY place)
        ), ''));

CREATE INDEX alert_combination ON alert (combination, last_detection, number, first_detection, count);
CREATE INDEX alert_time ON alert (last_detection, number, first_detection, combination);
CREATE INDEX alert_first ON alert (first_detection, last_detection, number, combination);
CREATE INDEX alert_count ON alert (count, last_detection, number, first_detection, combination);
CREATE INDEX alert_span ON alert (
    CASE WHEN last_detection - first_detection <= 60000000000 THEN 0
         WHEN last_detection - first_detection <= 3600000000000 THEN 1
         WHEN last_detection - first_detection <= 86400000000000 THEN 2
         WHEN last_detection - first_detection <= 604800000000000 THEN 3
         ELSE 4 END,
    last_detection, number, first_detection, count, combination);

CREATE TRIGGER alert_group_insert AFTER INSERT ON alert BEGIN
    UPDATE alert_group SET count = count + 1 WHERE combination = new.combination;
END;
CREATE TRIGGER alert_group_delete AFTER DELETE ON alert BEGIN
    UPDATE alert_group SET count = count - 1 WHERE combination = old.combination;
END;
CREATE TRIGGER alert_group_update AFTER UPDATE OF combination ON alert WHEN old.combination <> new.combination BEGIN
    UPDATE alert_group SET count = count - 1 WHERE combination = old.combination;
    UPDATE alert_group SET count = count + 1 WHERE combination = new.combination;
END;

-- The same beside the peers of an alert.
DROP TRIGGER alert_peer_follows;
DROP INDEX alert_peer_device;
DROP INDEX alert_peer_ip;
ALTER TABLE alert_peer ADD COLUMN count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_peer ADD COLUMN combination INTEGER NOT NULL DEFAULT 0;
UPDATE alert_peer SET (count, combination) = (SELECT count, combination FROM alert WHERE number = alert_peer.alert);
CREATE INDEX alert_peer_device
    ON alert_peer (device, role, last_detection, alert, first_detection, count, combination) WHERE device IS NOT NULL;
CREATE INDEX alert_peer_ip
    ON alert_peer (ip, role, last_detection, alert, first_detection, count, combination) WHERE ip IS NOT NULL;
CREATE TRIGGER alert_peer_follows AFTER UPDATE OF last_detection, first_detection, status, count, combination ON alert
WHEN old.last_detection <> new.last_detection OR old.first_detection <> new.first_detection
    OR (old.status = 'closed') <> (new.status = 'closed') OR old.count <> new.count
    OR old.combination <> new.combination
BEGIN
    UPDATE alert_peer SET last_detection = new.last_detection, first_detection = new.first_detection,
        open = new.status <> 'closed', count = new.count, combination = new.combination
    WHERE alert = new.number;
END;

CREATE INDEX device_role ON device (role);

-- The open alerts of a device are counted without a look at their rows.
DROP INDEX alert_peer_open;
CREATE INDEX alert_peer_open ON alert_peer (device, alert, open) WHERE open;

-- Work that began after the time asked for is passed by without a look at its row.
DROP INDEX journal_time;
CREATE INDEX journal_time ON journal (last_seen, number, first_seen);

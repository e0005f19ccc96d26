-- ot-sensor store, version 10: maintenance windows.

CREATE TABLE maintenance (
    number          INTEGER PRIMARY KEY,
    ticket          TEXT NOT NULL,
    begins          INTEGER NOT NULL,      -- packet time: first moment within
    ends            INTEGER NOT NULL,      -- first moment after
    note            TEXT NOT NULL,
    source          TEXT NOT NULL CHECK (source IN ('configuration', 'person')),
    who             TEXT NOT NULL,         -- the person; '' otherwise
    command         INTEGER NOT NULL,      -- that added it; 0 where none did
    added           INTEGER NOT NULL,      -- newest packet time then
    removed         INTEGER,               -- newest packet time when it was removed; what was removed stays as a record
    removed_by      TEXT NOT NULL,
    removed_command INTEGER NOT NULL
);
CREATE INDEX maintenance_ticket ON maintenance (ticket);

-- What a window names.
CREATE TABLE maintenance_part (
    maintenance INTEGER NOT NULL REFERENCES maintenance (number) ON DELETE CASCADE,
    part        TEXT NOT NULL CHECK (part IN ('device', 'by', 'kind')),
    place       INTEGER NOT NULL,
    text        TEXT NOT NULL,
    PRIMARY KEY (maintenance, part, place)
) WITHOUT ROWID;

-- The plan of action 'maintenance-add'; of 'maintenance-remove' the number of the window.
ALTER TABLE command ADD COLUMN maintenance INTEGER;
CREATE TABLE command_maintenance (
    command INTEGER PRIMARY KEY REFERENCES command (id) ON DELETE CASCADE,
    ticket  TEXT NOT NULL,
    begins  INTEGER NOT NULL,
    ends    INTEGER NOT NULL,
    note    TEXT NOT NULL
);
CREATE TABLE command_maintenance_part (
    command INTEGER NOT NULL REFERENCES command (id) ON DELETE CASCADE,
    part    TEXT NOT NULL,
    place   INTEGER NOT NULL,
    text    TEXT NOT NULL,
    PRIMARY KEY (command, part, place)
) WITHOUT ROWID;

-- The windows that detections of an alert lay in.
CREATE TABLE alert_maintenance (
    alert       INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    place       INTEGER NOT NULL,
    maintenance INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;
CREATE INDEX alert_maintenance_window ON alert_maintenance (maintenance, alert);

ALTER TABLE alert ADD COLUMN expected_count INTEGER NOT NULL DEFAULT 0;  -- detections within windows that cover them
ALTER TABLE alert ADD COLUMN expected INTEGER NOT NULL DEFAULT 0;        -- whether these are all
ALTER TABLE violation ADD COLUMN expected_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN maintenance INTEGER;                      -- the window during which it was done

-- Lists are filtered by it as by status and type.
DROP TRIGGER alert_group_insert;
DROP TRIGGER alert_group_delete;
DROP TRIGGER alert_group_update;
DROP TABLE alert_group;
CREATE TABLE alert_group (
    type     TEXT NOT NULL,
    status   TEXT NOT NULL,
    severity INTEGER NOT NULL,
    engine   TEXT NOT NULL,
    protocol TEXT NOT NULL,                -- '' for none
    expected INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (type, status, severity, engine, protocol, expected)
) WITHOUT ROWID;
INSERT INTO alert_group
    SELECT type, status, severity, engine, COALESCE(protocol, ''), expected, COUNT(*) FROM alert GROUP BY 1, 2, 3, 4, 5, 6;

CREATE TRIGGER alert_group_insert AFTER INSERT ON alert BEGIN
    INSERT INTO alert_group
    VALUES (new.type, new.status, new.severity, new.engine, COALESCE(new.protocol, ''), new.expected, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER alert_group_delete AFTER DELETE ON alert BEGIN
    UPDATE alert_group SET count = count - 1
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND expected = old.expected;
    DELETE FROM alert_group
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND expected = old.expected AND count <= 0;
END;
CREATE TRIGGER alert_group_update AFTER UPDATE OF type, status, severity, engine, protocol, expected ON alert
WHEN old.type <> new.type OR old.status <> new.status OR old.severity <> new.severity OR old.engine <> new.engine
    OR old.protocol IS NOT new.protocol OR old.expected <> new.expected
BEGIN
    UPDATE alert_group SET count = count - 1
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND expected = old.expected;
    DELETE FROM alert_group
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND expected = old.expected AND count <= 0;
    INSERT INTO alert_group
    VALUES (new.type, new.status, new.severity, new.engine, COALESCE(new.protocol, ''), new.expected, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

DROP INDEX alert_combination;
CREATE INDEX alert_combination ON alert (
    type, status, severity, engine, COALESCE(protocol, ''), expected, last_detection
);

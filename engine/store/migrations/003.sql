-- ot-sensor store, version 3: alerts are found quickly in a store that holds a million of them.

-- The parts of an alert that a list filters by and that have few values, with how many alerts have each combination:
-- what a filter lets through is known before any alert is read. Kept by triggers; combinations of none are not kept.
CREATE TABLE alert_group (
    type     TEXT NOT NULL,
    status   TEXT NOT NULL,
    severity INTEGER NOT NULL,
    engine   TEXT NOT NULL,
    protocol TEXT NOT NULL,                -- '' for none
    count    INTEGER NOT NULL,
    PRIMARY KEY (type, status, severity, engine, protocol)
) WITHOUT ROWID;
INSERT INTO alert_group
    SELECT type, status, severity, engine, COALESCE(protocol, ''), COUNT(*) FROM alert GROUP BY 1, 2, 3, 4, 5;

CREATE TRIGGER alert_group_insert AFTER INSERT ON alert BEGIN
    INSERT INTO alert_group VALUES (new.type, new.status, new.severity, new.engine, COALESCE(new.protocol, ''), 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER alert_group_delete AFTER DELETE ON alert BEGIN
    UPDATE alert_group SET count = count - 1
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '');
    DELETE FROM alert_group
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND count <= 0;
END;
CREATE TRIGGER alert_group_update AFTER UPDATE OF type, status, severity, engine, protocol ON alert
WHEN old.type <> new.type OR old.status <> new.status OR old.severity <> new.severity OR old.engine <> new.engine
    OR old.protocol IS NOT new.protocol
BEGIN
    UPDATE alert_group SET count = count - 1
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '');
    DELETE FROM alert_group
    WHERE type = old.type AND status = old.status AND severity = old.severity AND engine = old.engine
        AND protocol = COALESCE(old.protocol, '') AND count <= 0;
    INSERT INTO alert_group VALUES (new.type, new.status, new.severity, new.engine, COALESCE(new.protocol, ''), 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

DROP INDEX alert_filter;
CREATE INDEX alert_combination ON alert (type, status, severity, engine, COALESCE(protocol, ''), last_detection);
CREATE INDEX alert_first ON alert (first_detection);
CREATE INDEX alert_count ON alert (count);
CREATE INDEX alert_severity ON alert (severity);

-- The alerts of a device or an address in order of time, whether they are open, and when they began.
ALTER TABLE alert_peer ADD COLUMN last_detection INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_peer ADD COLUMN first_detection INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert_peer ADD COLUMN open INTEGER NOT NULL DEFAULT 0;
UPDATE alert_peer SET (last_detection, first_detection, open) =
    (SELECT last_detection, first_detection, status <> 'closed' FROM alert WHERE number = alert_peer.alert);
DROP INDEX alert_peer_device;
DROP INDEX alert_peer_ip;
CREATE INDEX alert_peer_device ON alert_peer (device, role, last_detection, alert, first_detection)
    WHERE device IS NOT NULL;
CREATE INDEX alert_peer_open ON alert_peer (device, alert) WHERE open;
CREATE INDEX alert_peer_ip ON alert_peer (ip, role, last_detection, alert, first_detection) WHERE ip IS NOT NULL;
CREATE TRIGGER alert_peer_follows AFTER UPDATE OF last_detection, first_detection, status ON alert
WHEN old.last_detection <> new.last_detection OR old.first_detection <> new.first_detection
    OR (old.status = 'closed') <> (new.status = 'closed')
BEGIN
    UPDATE alert_peer SET last_detection = new.last_detection, first_detection = new.first_detection,
        open = new.status <> 'closed'
    WHERE alert = new.number;
END;

-- The alerts of a technique in order of time.
ALTER TABLE alert_technique ADD COLUMN last_detection INTEGER NOT NULL DEFAULT 0;
UPDATE alert_technique SET last_detection = (SELECT last_detection FROM alert WHERE number = alert_technique.alert);
DROP INDEX alert_technique_technique;
CREATE INDEX alert_technique_technique ON alert_technique (technique, last_detection, alert);
CREATE TRIGGER alert_technique_insert AFTER INSERT ON alert_technique BEGIN
    UPDATE alert_technique SET last_detection = (SELECT last_detection FROM alert WHERE number = new.alert)
    WHERE alert = new.alert AND place = new.place;
END;
CREATE TRIGGER alert_technique_follows AFTER UPDATE OF last_detection ON alert
WHEN old.last_detection <> new.last_detection
BEGIN
    UPDATE alert_technique SET last_detection = new.last_detection WHERE alert = new.number;
END;

-- How long an alert lasted, in classes: those that overlap a window of time are found in a few walks.
CREATE INDEX alert_span ON alert (
    CASE WHEN last_detection - first_detection <= 60000000000 THEN 0
         WHEN last_detection - first_detection <= 3600000000000 THEN 1
         WHEN last_detection - first_detection <= 86400000000000 THEN 2
         WHEN last_detection - first_detection <= 604800000000000 THEN 3
         ELSE 4 END,
    last_detection, first_detection);

-- Text within alerts, by every three letters: finds any part of a word. The candidates are then compared letter by letter.
CREATE VIRTUAL TABLE alert_text USING fts5 (
    description, why, content = 'alert', content_rowid = 'number', tokenize = 'trigram', detail = none, columnsize = 0
);
INSERT INTO alert_text (alert_text) VALUES ('rebuild');
CREATE TRIGGER alert_text_insert AFTER INSERT ON alert BEGIN
    INSERT INTO alert_text (rowid, description, why) VALUES (new.number, new.description, new.why);
END;
CREATE TRIGGER alert_text_delete AFTER DELETE ON alert BEGIN
    INSERT INTO alert_text (alert_text, rowid, description, why)
    VALUES ('delete', old.number, old.description, old.why);
END;
CREATE TRIGGER alert_text_update AFTER UPDATE OF description, why ON alert
WHEN old.description <> new.description OR old.why <> new.why
BEGIN
    INSERT INTO alert_text (alert_text, rowid, description, why)
    VALUES ('delete', old.number, old.description, old.why);
    INSERT INTO alert_text (rowid, description, why) VALUES (new.number, new.description, new.why);
END;

-- The timeline by kind.
CREATE INDEX event_kind ON event (kind, time);
CREATE INDEX event_protocol ON event (protocol, time) WHERE protocol IS NOT NULL;

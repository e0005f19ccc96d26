-- ot-sensor store, version 11: the outbox, from which other systems are told of alerts, and how far each of them was told.

-- Where to. Written by the forwarder alone.
CREATE TABLE forward_destination (
    name           TEXT PRIMARY KEY,
    kind           TEXT NOT NULL,          -- 'syslog', 'webhook', 'file'
    address        TEXT NOT NULL,          -- for people, without secrets
    cursor         INTEGER NOT NULL,       -- newest outbox.sequence that was delivered or passed over
    delivered      INTEGER NOT NULL,       -- messages
    passed_over    INTEGER NOT NULL,       -- changes that its filter does not let through
    refused        INTEGER NOT NULL,       -- messages that it will never take
    lost           INTEGER NOT NULL,       -- changes that left the outbox, or whose alert left the store, before they were delivered
    failures       INTEGER NOT NULL,       -- tries that failed
    attempts       INTEGER NOT NULL,       -- tries that failed since the last delivery
    last_message   TEXT,                   -- id of the newest message that was delivered
    last_error     TEXT,                   -- the newest, whether or not it is over
    wall_added     INTEGER NOT NULL,
    wall_delivered INTEGER,
    wall_error     INTEGER
) WITHOUT ROWID;

-- What happened to alerts, in the order in which it was committed. Written by triggers, in the transaction of the change;
-- only while there is a destination.
CREATE TABLE outbox (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    alert       INTEGER NOT NULL,          -- its number; it may be gone
    change      TEXT NOT NULL,             -- 'opened', 'status', 'severity', 'outcome', 'marks', 'comment'
    before      TEXT,                      -- what held before, in the words of the column
    status      TEXT NOT NULL,             -- this and the next four: of the alert after the change
    severity    INTEGER NOT NULL,
    learned     INTEGER NOT NULL,
    muted       INTEGER NOT NULL,
    outcome     TEXT,
    who         TEXT,                      -- who did it: a person, or 'sensor'; NULL: it followed from traffic
    why         TEXT,                      -- in that person's words
    detail      TEXT,                      -- the comment
    destination TEXT,                      -- only this one is told; NULL: all are
    wall_time   INTEGER NOT NULL
);
CREATE INDEX outbox_alert ON outbox (alert, sequence);

CREATE TRIGGER outbox_alert_opened AFTER INSERT ON alert WHEN EXISTS (SELECT 1 FROM forward_destination) BEGIN
    INSERT INTO outbox (alert, change, status, severity, learned, muted, outcome, wall_time)
    VALUES (new.number, 'opened', new.status, new.severity, new.learned, new.muted, new.outcome,
        CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000);
END;

CREATE TRIGGER outbox_alert_changed AFTER UPDATE OF status, severity, learned, muted, outcome ON alert
WHEN (old.status <> new.status OR old.severity <> new.severity OR old.learned <> new.learned OR old.muted <> new.muted
    OR old.outcome IS NOT new.outcome) AND EXISTS (SELECT 1 FROM forward_destination)
BEGIN
    INSERT INTO outbox (alert, change, before, status, severity, learned, muted, outcome, wall_time)
    VALUES (new.number,
        CASE WHEN old.status <> new.status THEN 'status' WHEN old.severity <> new.severity THEN 'severity'
             WHEN old.outcome IS NOT new.outcome THEN 'outcome' ELSE 'marks' END,
        CASE WHEN old.status <> new.status THEN old.status WHEN old.severity <> new.severity THEN old.severity
             WHEN old.outcome IS NOT new.outcome THEN old.outcome
             WHEN old.muted THEN 'muted' WHEN old.learned THEN 'learned' END,
        new.status, new.severity, new.learned, new.muted, new.outcome,
        CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000);
END;

-- What a person or the sensor did is written after the alert that it changed, in the same transaction.
CREATE TRIGGER outbox_alert_history AFTER INSERT ON alert_history
WHEN new.action <> 'comment' AND EXISTS (SELECT 1 FROM forward_destination)
BEGIN
    UPDATE outbox SET who = new.who, why = new.why
    WHERE sequence = (SELECT MAX(sequence) FROM outbox WHERE alert = new.alert)
        AND who IS NULL AND change IN ('status', 'marks');
END;

CREATE TRIGGER outbox_alert_comment AFTER INSERT ON alert_history
WHEN new.action = 'comment' AND EXISTS (SELECT 1 FROM forward_destination)
BEGIN
    INSERT INTO outbox (alert, change, status, severity, learned, muted, outcome, who, why, detail, wall_time)
    SELECT number, 'comment', status, severity, learned, muted, outcome, new.who, new.why, new.detail,
        CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000
    FROM alert WHERE number = new.alert;
END;

-- Where nobody fetches them, the oldest go.
CREATE TRIGGER outbox_bound AFTER INSERT ON outbox BEGIN
    DELETE FROM outbox WHERE sequence <= new.sequence - 1000000;
END;

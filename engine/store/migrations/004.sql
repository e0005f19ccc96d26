-- ot-sensor store, version 4: learning with scope and end, acts that can be taken back, and the life cycle of alerts.

-- How wide an entry is: 'exact', 'pair', 'server', 'client', 'subnet'; the network of the last.
ALTER TABLE baseline ADD COLUMN scope TEXT NOT NULL DEFAULT 'exact';
ALTER TABLE baseline ADD COLUMN network TEXT;

-- What people and imports allow. An entry is allowed as long as one of its rows stands.
CREATE TABLE baseline_grant (
    entry  INTEGER NOT NULL,
    act    INTEGER NOT NULL,               -- number of the first command of the act; 0: before this version
    alert  INTEGER NOT NULL,               -- number of the alert that was learned; 0 for an import
    type   TEXT NOT NULL,                  -- its type; '' for an import
    origin TEXT NOT NULL CHECK (origin IN ('person', 'import')),
    by     TEXT NOT NULL,                  -- the person, or the file
    time   INTEGER NOT NULL,               -- newest packet time then
    until  INTEGER,                        -- packet time at which it ends
    PRIMARY KEY (entry, act)
) WITHOUT ROWID;
CREATE INDEX baseline_grant_act ON baseline_grant (act);

INSERT INTO baseline_grant (entry, act, alert, type, origin, by, time, until)
SELECT b.id, 0, COALESCE(MIN(a.number), 0), COALESCE(MIN(a.type), ''), b.origin, COALESCE(b.origin_by, ''),
       COALESCE(b.allowed_at, b.last_seen), b.expires
FROM baseline b
LEFT JOIN alert_entry e ON e.entry = b.id
LEFT JOIN alert a ON a.number = e.alert AND a.learned
WHERE b.allowed AND b.origin IN ('person', 'import')
GROUP BY b.id;

ALTER TABLE alert ADD COLUMN learned_act INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN learned_until INTEGER;
ALTER TABLE alert ADD COLUMN closed INTEGER;     -- newest packet time when it was closed
UPDATE alert SET closed = last_detection WHERE status = 'closed';
CREATE INDEX alert_closed ON alert (closed) WHERE closed IS NOT NULL;

-- Baseline entries that a violation departs from, separated by a comma.
ALTER TABLE violation ADD COLUMN entries TEXT NOT NULL DEFAULT '';

ALTER TABLE command ADD COLUMN act INTEGER NOT NULL DEFAULT 0;  -- the first command asked for together with it
ALTER TABLE command ADD COLUMN scope TEXT;       -- action 'learn'
ALTER TABLE command ADD COLUMN span INTEGER;     -- action 'learn': for how long; 'baseline-reset': how long to learn
ALTER TABLE command ADD COLUMN undo INTEGER;     -- action 'baseline-undo': the act
ALTER TABLE command ADD COLUMN answer TEXT;      -- what it did, in words
UPDATE command SET act = id;
CREATE INDEX command_act ON command (act);

ALTER TABLE command_entry ADD COLUMN scope TEXT NOT NULL DEFAULT 'exact';
ALTER TABLE command_entry ADD COLUMN network TEXT;
ALTER TABLE command_entry ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE command_entry ADD COLUMN min_value REAL;
ALTER TABLE command_entry ADD COLUMN max_value REAL;
ALTER TABLE command_entry ADD COLUMN every INTEGER;
ALTER TABLE command_entry ADD COLUMN until INTEGER;
ALTER TABLE command_entry ADD COLUMN file TEXT NOT NULL DEFAULT '';

-- The sensor acts on alerts, too: such a row has a packet time in place of a wall time, and no command.
CREATE TABLE history (
    id        INTEGER PRIMARY KEY,
    alert     INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    wall_time INTEGER,                     -- when a person asked for it
    time      INTEGER,                     -- packet time of what the sensor did
    who       TEXT NOT NULL,
    action    TEXT NOT NULL,
    why       TEXT NOT NULL,
    detail    TEXT NOT NULL,               -- the new status, the comment, what was learned
    command   INTEGER REFERENCES command (id)
);
INSERT INTO history SELECT id, alert, wall_time, NULL, who, action, why, detail, command FROM alert_history;
DROP TABLE alert_history;
ALTER TABLE history RENAME TO alert_history;
CREATE INDEX alert_history_alert ON alert_history (alert);
CREATE UNIQUE INDEX alert_history_command ON alert_history (command, alert) WHERE command IS NOT NULL;
CREATE UNIQUE INDEX alert_history_sensor ON alert_history (alert, action, time) WHERE command IS NULL;

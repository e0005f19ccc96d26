-- ot-sensor store: the journal of work on controllers.

CREATE TABLE journal (
    number       INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL,         -- on which
    actor        INTEGER,                  -- by which, where known
    protocol     TEXT NOT NULL,
    operation    TEXT NOT NULL,            -- write, control, program-write, mode-stop … or mode-changed, firmware-changed …
    function     TEXT NOT NULL,            -- the protocol's own
    object       TEXT NOT NULL,            -- what was addressed
    value        TEXT NOT NULL,            -- the last one
    outcome      TEXT CHECK (outcome IN ('pending', 'ok', 'rejected', 'unanswered')),
    outcome_code INTEGER,
    outcome_name TEXT,
    first_seen   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    file         INTEGER NOT NULL,
    frame        INTEGER NOT NULL,
    last_file    INTEGER NOT NULL,
    last_frame   INTEGER NOT NULL,
    alert        INTEGER
);
CREATE INDEX journal_device ON journal (device, last_seen);
CREATE INDEX journal_actor ON journal (actor, last_seen) WHERE actor IS NOT NULL;
CREATE INDEX journal_time ON journal (last_seen);

-- A replay that was interrupted before this migration resumes from an empty copy.
CREATE TABLE before_journal AS SELECT * FROM journal;

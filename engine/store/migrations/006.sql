-- ot-sensor store: which packets of alerts are kept in the evidence folder, by alert and run.

CREATE TABLE evidence (
    alert      INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    run        INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('kept', 'expired', 'not-kept')),
    reason     TEXT NOT NULL,              -- why it is not there, or not whole; '' where it is
    name       TEXT NOT NULL,              -- of the file within the folder; '' where none was written
    packets    INTEGER NOT NULL,
    triggers   INTEGER NOT NULL,           -- how many of them are frames that made the alert
    missing    INTEGER NOT NULL,           -- frames that made the alert and could not be had
    left_out   INTEGER NOT NULL,           -- packets around them beyond the size of a file
    bytes      INTEGER NOT NULL,
    sha256     TEXT NOT NULL,
    first_time INTEGER,
    last_time  INTEGER,
    PRIMARY KEY (alert, run)
) WITHOUT ROWID;
CREATE INDEX evidence_state ON evidence (state);

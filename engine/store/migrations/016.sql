-- ot-sensor store, version 16: whose messages are whose, and stores that show what many sensors told.

-- Which outbox a message is of: sequences are compared within one. Made when there is somebody to tell; a store that was
-- restored gets another one, for what was told since the backup may be told once more, differently.
CREATE TABLE outbox_origin (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    origin    TEXT NOT NULL,               -- 32 hexadecimal digits
    wall_time INTEGER NOT NULL             -- since when; a later one takes the place of an earlier one
);

-- A row: this store shows what the centre of many sensors holds, and only the receiver writes to it.
CREATE TABLE fleet (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    centre TEXT NOT NULL,                  -- which centre
    cursor INTEGER NOT NULL,               -- newest change of it that is shown
    event  INTEGER NOT NULL                -- newest event of it that is shown
);

-- Of an alert that sensors told the centre of: who told, the first one at place 0.
CREATE TABLE alert_report (
    alert           INTEGER NOT NULL REFERENCES alert (number) ON DELETE CASCADE,
    place           INTEGER NOT NULL,
    run             INTEGER NOT NULL,      -- each sensor is a run of the store
    id              TEXT NOT NULL,         -- of the alert at the sensor
    status          TEXT NOT NULL,         -- as the sensor said
    first_detection INTEGER NOT NULL,
    last_detection  INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    link            TEXT,                  -- the page of the alert at the sensor
    PRIMARY KEY (alert, place)
) WITHOUT ROWID;
CREATE INDEX alert_report_id ON alert_report (id);
CREATE INDEX alert_report_run ON alert_report (run, alert) WHERE place > 0;

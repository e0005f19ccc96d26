-- ot-sensor store, version 17: in a store that shows what many sensors told, how these sensors are.

CREATE TABLE fleet_sensor (
    run         INTEGER PRIMARY KEY,       -- each sensor is a run of the store
    state       TEXT NOT NULL,             -- 'ok', 'degraded', 'behind', 'silent'
    reasons     TEXT NOT NULL,             -- why it is degraded, with commas between
    version     TEXT,
    wall_heard  INTEGER NOT NULL,          -- when something was heard from it last
    lag_seconds INTEGER NOT NULL,          -- for how long the oldest change that it could not tell has been waiting
    waiting     INTEGER NOT NULL,          -- changes that wait there
    lost        INTEGER NOT NULL,          -- changes that it lost before they were told
    refused     INTEGER NOT NULL           -- messages of it that could not be taken
);
ALTER TABLE fleet ADD COLUMN wall_written INTEGER NOT NULL DEFAULT 0;  -- when the receiver last said how they are

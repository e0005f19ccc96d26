-- ot-sensor store, version 7: what people and the configuration say of devices.

CREATE TABLE device_context (
    device INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    field  TEXT NOT NULL,                  -- name, role, site, zone, purdue, importance, owner, location, notes …
    value  TEXT NOT NULL,                  -- one a field, but for tags
    source TEXT NOT NULL CHECK (source IN ('traffic', 'configuration', 'person')),
    who    TEXT NOT NULL,                  -- the person; '' otherwise
    PRIMARY KEY (device, field, value)
) WITHOUT ROWID;
CREATE INDEX device_context_value ON device_context (field, value, device);
CREATE INDEX device_zone ON device (zone) WHERE zone IS NOT NULL;
-- What follows from the role; the next engine on the store adds what its configuration says.
INSERT INTO device_context
    SELECT id, 'importance', CASE
        WHEN role IN ('controller', 'outstation', 'gateway', 'engineering-station') THEN 'high'
        WHEN role = 'unknown' THEN 'low' ELSE 'normal' END, 'traffic', '' FROM device;

-- A replay that was interrupted before this migration resumes from an empty copy.
CREATE TABLE before_device_context AS SELECT * FROM device_context WHERE 0;

-- The changes of action 'device-set'.
CREATE TABLE command_context (
    command INTEGER NOT NULL REFERENCES command (id) ON DELETE CASCADE,
    place   INTEGER NOT NULL,
    field   TEXT NOT NULL,
    value   TEXT,                          -- NULL: nothing is said of it any longer
    remove  INTEGER NOT NULL,              -- a tag that goes
    PRIMARY KEY (command, place)
) WITHOUT ROWID;

-- What people said of a device, one row a change. Stays when the device is gone.
CREATE TABLE device_history (
    id           INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL,
    wall_time    INTEGER NOT NULL,         -- when it was asked for
    who          TEXT NOT NULL,
    why          TEXT NOT NULL,
    field        TEXT NOT NULL,
    value_before TEXT,                     -- whatever its source was
    value_after  TEXT,
    command      INTEGER NOT NULL REFERENCES command (id)
);
CREATE INDEX device_history_device ON device_history (device);

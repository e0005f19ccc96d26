-- ot-sensor store, version 15: what an act learned, and what the runs of a sensor opened, is found without going through all
-- alerts.
CREATE INDEX alert_learned ON alert (learned_act) WHERE learned;
CREATE INDEX alert_of_run ON alert (run);

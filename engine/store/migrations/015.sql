-- ot-sensor store, version 15: what an act learned, and what the runs of a sensor opened, is found without going through all
-- alerts; what was only observed is counted without going through all of the baseline.
CREATE INDEX alert_learned ON alert (learned_act) WHERE learned;
CREATE INDEX alert_of_run ON alert (run);
CREATE INDEX baseline_observed ON baseline (id) WHERE NOT allowed;

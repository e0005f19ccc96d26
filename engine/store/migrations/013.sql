-- ot-sensor store, version 13: single entries of the baseline are taken back, or given an end.

-- What an act does beside what else allows the entry: 'adds' allows it as well; 'limits' allows it until its end and no
-- longer, whatever allowed it before; 'ends': what allowed it before allows it no more.
ALTER TABLE baseline_grant ADD COLUMN effect TEXT NOT NULL DEFAULT 'adds';

-- The entry of actions 'baseline-remove' and 'baseline-expire'; of the second its end as a packet time, or as a span.
ALTER TABLE command ADD COLUMN entry INTEGER;
ALTER TABLE command ADD COLUMN until INTEGER;

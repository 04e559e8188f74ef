-- A dead letter that stays in its place, and holds back its key: `state` is 4, `sort` the id, and this why it died. Its
-- number of `lent` has gone up, so that nobody who had it lent changes it any more.
ALTER TABLE convoke_delivery ADD COLUMN record TEXT;
-- How often it was given another chance: whoever judged it before that has not judged it.
ALTER TABLE convoke_delivery ADD COLUMN redriven INTEGER NOT NULL DEFAULT 0;

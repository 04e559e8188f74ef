-- Whether it was heard alone, and nobody has said how that ended.
ALTER TABLE convoke_delivery ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;

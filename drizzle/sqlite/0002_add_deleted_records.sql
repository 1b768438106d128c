CREATE TABLE `deleted_records` (
	`collection` text NOT NULL,
	`record_key` text NOT NULL,
	`version` integer NOT NULL,
	`deleted_at` integer NOT NULL,
	`record` text,
	PRIMARY KEY(`collection`, `record_key`)
);
--> statement-breakpoint
CREATE INDEX `idx_deleted_records_deleted_at` ON `deleted_records` (`deleted_at`);
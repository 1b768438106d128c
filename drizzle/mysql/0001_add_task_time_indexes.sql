CREATE INDEX `idx_created_at` ON `translation_tasks` (`created_at`);--> statement-breakpoint
CREATE INDEX `idx_updated_at` ON `translation_tasks` (`updated_at`);
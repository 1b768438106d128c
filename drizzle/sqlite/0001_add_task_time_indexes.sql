CREATE INDEX `idx_tasks_created_at` ON `translation_tasks` (`created_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_updated_at` ON `translation_tasks` (`updated_at`,`task_id`);
DROP INDEX `idx_tasks_status_updated_at`;--> statement-breakpoint
CREATE INDEX `idx_tasks_status_updated_at` ON `translation_tasks` (`status`,`updated_at`,`task_id`,`duration_ms`);
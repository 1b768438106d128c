DROP INDEX `idx_status_updated_at` ON `translation_tasks`;--> statement-breakpoint
CREATE INDEX `idx_status_updated_at` ON `translation_tasks` (`status`,`updated_at`,`task_id`,`duration_ms`);
DROP INDEX `idx_sessions_status`;--> statement-breakpoint
DROP INDEX `idx_sessions_created_at`;--> statement-breakpoint
DROP INDEX `idx_sessions_updated_at`;--> statement-breakpoint
CREATE INDEX `idx_sessions_status` ON `translation_sessions` (`status`,`created_at`,`session_id`);--> statement-breakpoint
CREATE INDEX `idx_sessions_created_at` ON `translation_sessions` (`created_at`,`session_id`);--> statement-breakpoint
CREATE INDEX `idx_sessions_updated_at` ON `translation_sessions` (`updated_at`,`session_id`);--> statement-breakpoint
DROP INDEX `idx_tasks_batch_id`;--> statement-breakpoint
DROP INDEX `idx_tasks_status`;--> statement-breakpoint
DROP INDEX `idx_tasks_session_status`;--> statement-breakpoint
CREATE INDEX `idx_tasks_sheet_name` ON `translation_tasks` (`sheet_name`,`created_at`,`task_id`,`status`);--> statement-breakpoint
CREATE INDEX `idx_tasks_status_updated_at` ON `translation_tasks` (`status`,`updated_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_batch_id` ON `translation_tasks` (`batch_id`,`created_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_status` ON `translation_tasks` (`status`,`created_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_session_status` ON `translation_tasks` (`session_id`,`status`,`created_at`,`task_id`);
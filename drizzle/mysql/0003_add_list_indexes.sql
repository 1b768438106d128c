DROP INDEX `idx_status` ON `translation_sessions`;--> statement-breakpoint
DROP INDEX `idx_batch_id` ON `translation_tasks`;--> statement-breakpoint
DROP INDEX `idx_status` ON `translation_tasks`;--> statement-breakpoint
DROP INDEX `idx_session_status` ON `translation_tasks`;--> statement-breakpoint
CREATE INDEX `idx_sheet_name` ON `translation_tasks` (`sheet_name`,`created_at`,`status`);--> statement-breakpoint
CREATE INDEX `idx_status_updated_at` ON `translation_tasks` (`status`,`updated_at`);--> statement-breakpoint
CREATE INDEX `idx_status` ON `translation_sessions` (`status`,`created_at`);--> statement-breakpoint
CREATE INDEX `idx_batch_id` ON `translation_tasks` (`batch_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `idx_status` ON `translation_tasks` (`status`,`created_at`);--> statement-breakpoint
CREATE INDEX `idx_session_status` ON `translation_tasks` (`session_id`,`status`,`created_at`);
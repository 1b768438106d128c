CREATE INDEX `idx_tasks_session_batch_id` ON `translation_tasks` (`session_id`,`batch_id`,`created_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_session_sheet_name` ON `translation_tasks` (`session_id`,`sheet_name`,`created_at`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_session_updated_at` ON `translation_tasks` (`session_id`,`updated_at`,`task_id`);
CREATE TABLE `translation_sessions` (
	`session_id` text PRIMARY KEY NOT NULL,
	`filename` text NOT NULL,
	`file_path` text NOT NULL,
	`status` text DEFAULT 'pending' NOT NULL,
	`game_info` text,
	`llm_provider` text NOT NULL,
	`metadata` text,
	`total_tasks` integer DEFAULT 0 NOT NULL,
	`completed_tasks` integer DEFAULT 0 NOT NULL,
	`failed_tasks` integer DEFAULT 0 NOT NULL,
	`processing_tasks` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idx_sessions_status` ON `translation_sessions` (`status`,`session_id`);--> statement-breakpoint
CREATE INDEX `idx_sessions_created_at` ON `translation_sessions` (`created_at`);--> statement-breakpoint
CREATE INDEX `idx_sessions_updated_at` ON `translation_sessions` (`updated_at`);--> statement-breakpoint
CREATE TABLE `translation_tasks` (
	`task_id` text PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`batch_id` text NOT NULL,
	`sheet_name` text NOT NULL,
	`row_index` integer NOT NULL,
	`column_name` text NOT NULL,
	`source_text` text NOT NULL,
	`target_text` text,
	`context` text,
	`status` text DEFAULT 'pending' NOT NULL,
	`confidence` real,
	`error_message` text,
	`retry_count` integer DEFAULT 0 NOT NULL,
	`start_time` integer,
	`end_time` integer,
	`duration_ms` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`version` integer NOT NULL,
	FOREIGN KEY (`session_id`) REFERENCES `translation_sessions`(`session_id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `idx_tasks_batch_id` ON `translation_tasks` (`batch_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_status` ON `translation_tasks` (`status`);--> statement-breakpoint
CREATE INDEX `idx_tasks_session_status` ON `translation_tasks` (`session_id`,`status`,`task_id`);--> statement-breakpoint
CREATE INDEX `idx_tasks_session_created_at` ON `translation_tasks` (`session_id`,`created_at`,`task_id`);
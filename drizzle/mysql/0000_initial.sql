CREATE TABLE `translation_sessions` (
	`session_id` varchar(36) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`filename` varchar(255) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`file_path` varchar(512) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`status` varchar(20) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL DEFAULT 'pending',
	`game_info` json,
	`llm_provider` varchar(50) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`metadata` json,
	`total_tasks` int NOT NULL DEFAULT 0,
	`completed_tasks` int NOT NULL DEFAULT 0,
	`failed_tasks` int NOT NULL DEFAULT 0,
	`processing_tasks` int NOT NULL DEFAULT 0,
	`created_at` datetime(3) NOT NULL,
	`updated_at` datetime(3) NOT NULL,
	`version` bigint unsigned NOT NULL,
	CONSTRAINT `translation_sessions_session_id` PRIMARY KEY(`session_id`)
);
--> statement-breakpoint
CREATE TABLE `translation_tasks` (
	`task_id` varchar(64) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`session_id` varchar(36) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`batch_id` varchar(64) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`sheet_name` varchar(255) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`row_index` int NOT NULL,
	`column_name` varchar(255) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`source_text` text CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`target_text` text CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */,
	`context` text CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */,
	`status` varchar(20) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL DEFAULT 'pending',
	`confidence` decimal(5,4),
	`error_message` text CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */,
	`retry_count` int NOT NULL DEFAULT 0,
	`start_time` datetime(3),
	`end_time` datetime(3),
	`duration_ms` int,
	`created_at` datetime(3) NOT NULL,
	`updated_at` datetime(3) NOT NULL,
	`version` bigint unsigned NOT NULL,
	CONSTRAINT `translation_tasks_task_id` PRIMARY KEY(`task_id`)
);
--> statement-breakpoint
ALTER TABLE `translation_tasks` ADD CONSTRAINT `translation_tasks_session_id_translation_sessions_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `translation_sessions`(`session_id`) ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX `idx_status` ON `translation_sessions` (`status`);--> statement-breakpoint
CREATE INDEX `idx_created_at` ON `translation_sessions` (`created_at`);--> statement-breakpoint
CREATE INDEX `idx_updated_at` ON `translation_sessions` (`updated_at`);--> statement-breakpoint
CREATE INDEX `idx_session_id` ON `translation_tasks` (`session_id`);--> statement-breakpoint
CREATE INDEX `idx_batch_id` ON `translation_tasks` (`batch_id`);--> statement-breakpoint
CREATE INDEX `idx_status` ON `translation_tasks` (`status`);--> statement-breakpoint
CREATE INDEX `idx_session_status` ON `translation_tasks` (`session_id`,`status`);--> statement-breakpoint
CREATE INDEX `idx_session_created_at` ON `translation_tasks` (`session_id`,`created_at`);
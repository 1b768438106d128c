CREATE TABLE `deleted_records` (
	`collection` varchar(64) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`record_key` varchar(255) CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */ NOT NULL,
	`version` bigint unsigned NOT NULL,
	`deleted_at` datetime(3) NOT NULL,
	`record` json,
	CONSTRAINT `deleted_records_collection_record_key_pk` PRIMARY KEY(`collection`,`record_key`)
);
--> statement-breakpoint
CREATE INDEX `idx_deleted_at` ON `deleted_records` (`deleted_at`);
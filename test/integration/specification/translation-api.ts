import type { PrintedDocument } from './printed.ts';

/** Every example of the translation API, and its list of endpoints (§1.3), as printed. */
export const translationApi: PrintedDocument = {
  name: 'TRANSLATION_API.md',
  endpoints: `| **批量写入** | /api/v1/translation/sessions/batch | POST | 批量写入会话 |
| **批量写入** | /api/v1/translation/tasks/batch | POST | 批量写入任务 |
| **批量写入** | /api/v1/translation/flush | POST | 强制刷新缓冲区 |
| **查询** | /api/v1/translation/sessions | GET | 查询会话列表 |
| **查询** | /api/v1/translation/sessions/{id} | GET | 查询单个会话 |
| **查询** | /api/v1/translation/sessions/{id}/tasks | GET | 查询会话的任务 |
| **查询** | /api/v1/translation/tasks/{id} | GET | 查询单个任务 |
| **查询** | /api/v1/translation/tasks | GET | 查询任务列表 |
| **恢复** | /api/v1/translation/recovery/incomplete-sessions | GET | 获取未完成会话 |
| **恢复** | /api/v1/translation/recovery/restore/{id} | POST | 恢复会话数据 |
| **管理** | /api/v1/translation/sessions/{id} | DELETE | 删除会话 |
| **管理** | /api/v1/translation/sessions/cleanup | POST | 清理过期数据 |
| **管理** | /api/v1/translation/stats | GET | 获取统计信息 |
| **系统** | /health | GET | 健康检查 |
| **系统** | /api/v1/system/metrics | GET | 性能指标 |`,
  sections: [
    {
      heading: '3.1 批量写入会话',
      endpoint: 'POST /api/v1/translation/sessions/batch',
      body: `{
  "sessions": [
    {
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "filename": "game_translation.xlsx",
      "file_path": "/uploads/game_translation.xlsx",
      "status": "processing",
      "game_info": {
        "game_name": "Fantasy RPG",
        "source_language": "en",
        "target_language": "zh",
        "game_type": "RPG"
      },
      "llm_provider": "openai",
      "metadata": {
        "user_id": "user_123",
        "project_id": "proj_456"
      },
      "total_tasks": 1000,
      "completed_tasks": 0,
      "failed_tasks": 0,
      "processing_tasks": 0
    }
  ]
}`,
      calls: [
        String.raw`curl -X POST http://localhost:8001/api/v1/translation/sessions/batch \
  -H "Content-Type: application/json" \
  -d '{
    "sessions": [{
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "filename": "test.xlsx",
      "file_path": "/uploads/test.xlsx",
      "status": "processing",
      "llm_provider": "openai",
      "total_tasks": 100
    }]
  }'`,
      ],
      answer: `{
  "status": "accepted",
  "count": 1,
  "timestamp": "2025-09-30T10:15:30Z"
}`,
      error: `{
  "detail": "Invalid session data format",
  "errors": [
    {
      "field": "session_id",
      "message": "session_id is required"
    }
  ]
}`,
    },
    {
      heading: '3.2 批量写入任务',
      endpoint: 'POST /api/v1/translation/tasks/batch',
      body: `{
  "tasks": [
    {
      "task_id": "task_001",
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "batch_id": "batch_001",
      "sheet_name": "Dialogue",
      "row_index": 10,
      "column_name": "Text",
      "source_text": "Hello, adventurer!",
      "target_text": "你好，冒险者！",
      "context": "NPC greeting dialogue",
      "status": "completed",
      "confidence": 0.95,
      "error_message": null,
      "retry_count": 0,
      "start_time": "2025-09-30T10:10:00Z",
      "end_time": "2025-09-30T10:10:05Z",
      "duration_ms": 5000
    }
  ]
}`,
      calls: [
        String.raw`curl -X POST http://localhost:8001/api/v1/translation/tasks/batch \
  -H "Content-Type: application/json" \
  -d '{
    "tasks": [{
      "task_id": "task_001",
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "batch_id": "batch_001",
      "sheet_name": "Dialogue",
      "row_index": 10,
      "column_name": "Text",
      "source_text": "Hello",
      "status": "pending"
    }]
  }'`,
      ],
      answer: `{
  "status": "accepted",
  "count": 1,
  "timestamp": "2025-09-30T10:15:30Z"
}`,
    },
    {
      heading: '3.3 强制刷新缓冲区',
      endpoint: 'POST /api/v1/translation/flush',
      calls: [`curl -X POST http://localhost:8001/api/v1/translation/flush`],
      answer: `{
  "status": "flushed",
  "sessions_written": 10,
  "tasks_written": 850,
  "duration_ms": 1200
}`,
    },
    {
      heading: '4.1 查询会话列表',
      endpoint: 'GET /api/v1/translation/sessions',
      parameters: {
        status: 'processing',
        from_date: '2025-09-01T00:00:00Z',
        to_date: '2025-09-30T23:59:59Z',
        page: '1',
        page_size: '20',
        sort_by: 'created_at',
        order: 'desc',
      },
      calls: [
        `GET /api/v1/translation/sessions?status=processing&page=1&page_size=20&sort_by=created_at&order=desc`,
        `curl "http://localhost:8001/api/v1/translation/sessions?status=processing&page=1&page_size=20"`,
      ],
      answer: `{
  "total": 150,
  "page": 1,
  "page_size": 20,
  "total_pages": 8,
  "items": [
    {
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "filename": "game.xlsx",
      "status": "processing",
      "total_tasks": 1000,
      "completed_tasks": 350,
      "failed_tasks": 5,
      "processing_tasks": 10,
      "pending_tasks": 635,
      "progress": 35.0,
      "created_at": "2025-09-30T10:00:00Z",
      "updated_at": "2025-09-30T10:05:00Z"
    }
  ]
}`,
    },
    {
      heading: '4.2 查询单个会话',
      endpoint: 'GET /api/v1/translation/sessions/{session_id}',
      calls: [`curl http://localhost:8001/api/v1/translation/sessions/550e8400-e29b-41d4-a716-446655440000`],
      answer: `{
  "session_id": "550e8400-e29b-41d4-a716-446655440000",
  "filename": "game.xlsx",
  "file_path": "/uploads/game.xlsx",
  "status": "processing",
  "game_info": {
    "game_name": "Fantasy RPG",
    "source_language": "en",
    "target_language": "zh"
  },
  "llm_provider": "openai",
  "metadata": {
    "user_id": "user_123"
  },
  "total_tasks": 1000,
  "completed_tasks": 350,
  "failed_tasks": 5,
  "processing_tasks": 10,
  "pending_tasks": 635,
  "progress": 35.0,
  "created_at": "2025-09-30T10:00:00Z",
  "updated_at": "2025-09-30T10:05:00Z",
  "estimated_completion": "2025-09-30T10:20:00Z"
}`,
      error: `{
  "detail": "Session not found",
  "session_id": "550e8400-e29b-41d4-a716-446655440000"
}`,
    },
    {
      heading: '4.3 查询会话的任务列表',
      endpoint: 'GET /api/v1/translation/sessions/{session_id}/tasks',
      parameters: {
        status: '',
        sheet_name: '',
        page: '',
        page_size: '',
      },
      calls: [
        `GET /api/v1/translation/sessions/550e8400-e29b-41d4-a716-446655440000/tasks?status=failed&page=1`,
        `curl "http://localhost:8001/api/v1/translation/sessions/550e8400-e29b-41d4-a716-446655440000/tasks?status=failed"`,
      ],
      answer: `{
  "session_id": "550e8400-e29b-41d4-a716-446655440000",
  "total": 5,
  "page": 1,
  "page_size": 20,
  "total_pages": 1,
  "items": [
    {
      "task_id": "task_001",
      "batch_id": "batch_001",
      "sheet_name": "Dialogue",
      "row_index": 10,
      "column_name": "Text",
      "source_text": "Hello, adventurer!",
      "target_text": null,
      "status": "failed",
      "error_message": "API rate limit exceeded",
      "retry_count": 3,
      "confidence": null,
      "created_at": "2025-09-30T10:01:00Z",
      "updated_at": "2025-09-30T10:03:00Z"
    }
  ]
}`,
    },
    {
      heading: '4.4 查询单个任务',
      endpoint: 'GET /api/v1/translation/tasks/{task_id}',
      calls: [`curl http://localhost:8001/api/v1/translation/tasks/task_001`],
      answer: `{
  "task_id": "task_001",
  "session_id": "550e8400-e29b-41d4-a716-446655440000",
  "batch_id": "batch_001",
  "sheet_name": "Dialogue",
  "row_index": 10,
  "column_name": "Text",
  "source_text": "Hello, adventurer!",
  "target_text": "你好，冒险者！",
  "context": "NPC greeting dialogue",
  "status": "completed",
  "confidence": 0.95,
  "error_message": null,
  "retry_count": 0,
  "start_time": "2025-09-30T10:10:00Z",
  "end_time": "2025-09-30T10:10:05Z",
  "duration_ms": 5000,
  "created_at": "2025-09-30T10:09:00Z",
  "updated_at": "2025-09-30T10:10:05Z"
}`,
    },
    {
      heading: '4.5 查询任务列表',
      endpoint: 'GET /api/v1/translation/tasks',
      parameters: {
        session_id: '',
        status: '',
        from_date: '',
        to_date: '',
        page: '',
        page_size: '',
      },
      calls: [`GET /api/v1/translation/tasks?status=completed&page=1&page_size=50`],
      answer: `{
  "total": 10000,
  "page": 1,
  "page_size": 50,
  "total_pages": 200,
  "items": [...]
}`,
    },
    {
      heading: '5.1 获取未完成会话列表',
      endpoint: 'GET /api/v1/translation/recovery/incomplete-sessions',
      calls: [`curl http://localhost:8001/api/v1/translation/recovery/incomplete-sessions`],
      answer: `{
  "count": 3,
  "sessions": [
    {
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "filename": "game.xlsx",
      "status": "processing",
      "total_tasks": 1000,
      "completed_tasks": 350,
      "pending_tasks": 640,
      "failed_tasks": 10,
      "created_at": "2025-09-30T10:00:00Z",
      "updated_at": "2025-09-30T10:05:00Z"
    },
    {
      "session_id": "660f9511-f3ac-52e5-b827-557766551111",
      "filename": "game2.xlsx",
      "status": "pending",
      "total_tasks": 500,
      "completed_tasks": 0,
      "pending_tasks": 500,
      "failed_tasks": 0,
      "created_at": "2025-09-30T09:50:00Z",
      "updated_at": "2025-09-30T09:50:00Z"
    }
  ]
}`,
    },
    {
      heading: '5.2 恢复会话数据',
      endpoint: 'POST /api/v1/translation/recovery/restore/{session_id}',
      calls: [
        `curl -X POST http://localhost:8001/api/v1/translation/recovery/restore/550e8400-e29b-41d4-a716-446655440000`,
      ],
      answer: `{
  "session_id": "550e8400-e29b-41d4-a716-446655440000",
  "session": {
    "session_id": "550e8400-e29b-41d4-a716-446655440000",
    "filename": "game.xlsx",
    "file_path": "/uploads/game.xlsx",
    "status": "processing",
    "game_info": {...},
    "llm_provider": "openai",
    "total_tasks": 1000,
    "completed_tasks": 350,
    "failed_tasks": 10,
    "pending_tasks": 640
  },
  "tasks_count": 640,
  "tasks": [
    {
      "task_id": "task_351",
      "batch_id": "batch_036",
      "sheet_name": "Dialogue",
      "row_index": 350,
      "column_name": "Text",
      "source_text": "...",
      "status": "pending",
      "created_at": "2025-09-30T10:01:00Z"
    },
    // ... 更多任务（只返回 pending 和 processing 状态）
  ],
  "restored_at": "2025-09-30T10:30:00Z"
}`,
    },
    {
      heading: '6.1 删除会话',
      endpoint: 'DELETE /api/v1/translation/sessions/{session_id}',
      calls: [
        `curl -X DELETE http://localhost:8001/api/v1/translation/sessions/550e8400-e29b-41d4-a716-446655440000`,
      ],
      answer: `{
  "status": "deleted",
  "session_id": "550e8400-e29b-41d4-a716-446655440000",
  "deleted_tasks": 1000
}`,
    },
    {
      heading: '6.2 清理过期数据',
      endpoint: 'POST /api/v1/translation/sessions/cleanup',
      body: `{
  "completed_days": 90,
  "failed_days": 30,
  "dry_run": false
}`,
      calls: [
        String.raw`# 模拟清理（查看会删除多少）
curl -X POST http://localhost:8001/api/v1/translation/sessions/cleanup \
  -H "Content-Type: application/json" \
  -d '{"dry_run": true}'

# 实际清理
curl -X POST http://localhost:8001/api/v1/translation/sessions/cleanup \
  -H "Content-Type: application/json" \
  -d '{"completed_days": 90, "failed_days": 30, "dry_run": false}'`,
      ],
      answer: `{
  "status": "completed",
  "deleted_sessions": 150,
  "deleted_tasks": 150000,
  "dry_run": false
}`,
    },
    {
      heading: '6.3 获取统计信息',
      endpoint: 'GET /api/v1/translation/stats',
      calls: [`curl http://localhost:8001/api/v1/translation/stats`],
      answer: `{
  "sessions": {
    "total": 1000,
    "pending": 50,
    "processing": 30,
    "completed": 900,
    "failed": 20
  },
  "tasks": {
    "total": 1000000,
    "pending": 5000,
    "processing": 3000,
    "completed": 980000,
    "failed": 12000
  },
  "performance": {
    "average_session_time": 1800,
    "average_task_time": 5.2,
    "success_rate": 98.8
  },
  "storage": {
    "database_size_mb": 2048,
    "sessions_table_rows": 1000,
    "tasks_table_rows": 1000000
  }
}`,
    },
    {
      heading: '7.1 健康检查',
      endpoint: 'GET /health',
      calls: [`curl http://localhost:8001/health`],
      answer: `{
  "status": "healthy",
  "database": "healthy",
  "buffer": {
    "sessions_count": 150,
    "tasks_count": 850,
    "total_count": 1000,
    "capacity": 1000,
    "usage_percent": 100.0,
    "last_flush": "2025-09-30T10:15:00Z"
  },
  "uptime_seconds": 86400,
  "version": "1.0.0"
}`,
    },
    {
      heading: '7.2 性能指标',
      endpoint: 'GET /api/v1/system/metrics',
      answer: `# HELP persistence_api_requests_total Total API requests
# TYPE persistence_api_requests_total counter
persistence_api_requests_total{endpoint="/api/v1/translation/sessions/batch",method="POST"} 1000

# HELP persistence_api_duration_seconds API request duration
# TYPE persistence_api_duration_seconds histogram
persistence_api_duration_seconds_bucket{endpoint="/api/v1/translation/sessions/batch",le="0.005"} 800
persistence_api_duration_seconds_bucket{endpoint="/api/v1/translation/sessions/batch",le="0.01"} 950
persistence_api_duration_seconds_bucket{endpoint="/api/v1/translation/sessions/batch",le="+Inf"} 1000

# HELP persistence_buffer_size Current buffer size
# TYPE persistence_buffer_size gauge
persistence_buffer_size{type="session"} 150
persistence_buffer_size{type="task"} 850

# HELP persistence_flush_total Total flush operations
# TYPE persistence_flush_total counter
persistence_flush_total 45`,
    },
    {
      heading: '错误响应格式',
      error: `{
  "detail": "错误描述",
  "error_code": "ERROR_CODE",
  "errors": [
    {
      "field": "字段后",
      "message": "错误信息"
    }
  ]
}`,
    },
  ],
};

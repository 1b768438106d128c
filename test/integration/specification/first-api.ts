import type { PrintedDocument } from './printed.ts';

/** Every example of the first API, as printed. */
export const firstApi: PrintedDocument = {
  name: 'PERSISTENCE_API_V1.md',
  sections: [
    {
      heading: '1.1 简单健康检查',
      endpoint: 'GET /',
      calls: [`curl http://localhost:8001/`],
      answer: `{
  "service": "Persistence Service",
  "status": "running",
  "version": "1.0.0"
}`,
    },
    {
      heading: '1.2 详细健康检查',
      endpoint: 'GET /health',
      calls: [`curl http://localhost:8001/health`],
      answer: `{
  "status": "healthy",
  "database": "healthy",
  "buffer": {
    "sessions_count": 150,
    "tasks_count": 850,
    "last_flush": "2025-09-30T16:30:00"
  }
}`,
    },
    {
      heading: '2.1 批量持久化会话',
      endpoint: 'POST /api/v1/persistence/sessions/batch',
      body: `{
  "sessions": [
    {
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "filename": "test.xlsx",
      "file_path": "/uploads/test.xlsx",
      "status": "processing",
      "game_info": {
        "game_name": "Game Title",
        "source_language": "en",
        "target_language": "zh"
      },
      "llm_provider": "openai",
      "metadata": {
        "user_id": "user123"
      },
      "total_tasks": 100,
      "completed_tasks": 0,
      "failed_tasks": 0,
      "processing_tasks": 0
    }
  ]
}`,
      calls: [
        String.raw`curl -X POST http://localhost:8001/api/v1/persistence/sessions/batch \
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
  "timestamp": "2025-09-30T16:35:00"
}`,
      error: `{
  "detail": "Invalid session data format"
}`,
    },
    {
      heading: '2.2 批量持久化任务',
      endpoint: 'POST /api/v1/persistence/tasks/batch',
      body: `{
  "tasks": [
    {
      "task_id": "task_001",
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "batch_id": "batch_001",
      "sheet_name": "Sheet1",
      "row_index": 1,
      "column_name": "Text",
      "source_text": "Hello",
      "target_text": "你好",
      "context": "Greeting context",
      "status": "completed",
      "confidence": 0.95,
      "error_message": null,
      "retry_count": 0,
      "start_time": "2025-09-30T16:35:00",
      "end_time": "2025-09-30T16:35:05",
      "duration_ms": 5000
    }
  ]
}`,
      calls: [
        String.raw`curl -X POST http://localhost:8001/api/v1/persistence/tasks/batch \
  -H "Content-Type: application/json" \
  -d '{
    "tasks": [{
      "task_id": "task_001",
      "session_id": "550e8400-e29b-41d4-a716-446655440000",
      "batch_id": "batch_001",
      "sheet_name": "Sheet1",
      "row_index": 1,
      "column_name": "Text",
      "source_text": "Hello",
      "target_text": "你好",
      "status": "completed",
      "confidence": 0.95
    }]
  }'`,
      ],
      answer: `{
  "status": "accepted",
  "count": 1,
  "timestamp": "2025-09-30T16:35:10"
}`,
      error: `{
  "detail": "Session ID not found or invalid task data"
}`,
    },
    {
      heading: '3.1 强制刷新缓冲区',
      endpoint: 'POST /api/v1/persistence/flush',
      calls: [`curl -X POST http://localhost:8001/api/v1/persistence/flush`],
      answer: `{
  "status": "flushed",
  "sessions_written": 150,
  "tasks_written": 850,
  "duration_ms": 1200
}`,
    },
    {
      heading: '3.2 获取缓冲区统计',
      endpoint: 'GET /api/v1/persistence/stats',
      calls: [`curl http://localhost:8001/api/v1/persistence/stats`],
      answer: `{
  "buffer": {
    "sessions_count": 150,
    "tasks_count": 850,
    "total_count": 1000,
    "capacity": 1000,
    "usage_percent": 100.0
  },
  "flush_info": {
    "last_flush_time": "2025-09-30T16:30:00",
    "next_flush_time": "2025-09-30T16:30:30",
    "flush_count_today": 45,
    "average_flush_duration_ms": 800
  },
  "performance": {
    "total_sessions_written": 6750,
    "total_tasks_written": 38250,
    "total_flush_count": 45,
    "average_batch_size": 1000,
    "uptime_seconds": 86400
  }
}`,
    },
    {
      heading: '8.1 健康检查测试',
      calls: [
        `# 测试服务是否运行
curl http://localhost:8001/health`,
      ],
      answer: `{
  "status": "healthy",
  "database": "healthy",
  "buffer": {...}
}`,
    },
    {
      heading: '8.2 批量持久化测试',
      calls: [
        String.raw`# 测试任务持久化
curl -X POST http://localhost:8001/api/v1/persistence/tasks/batch \
  -H "Content-Type: application/json" \
  -d '{
    "tasks": [
      {
        "task_id": "test_001",
        "session_id": "test_session",
        "batch_id": "test_batch",
        "sheet_name": "Sheet1",
        "row_index": 1,
        "column_name": "Text",
        "source_text": "Test",
        "status": "pending"
      }
    ]
  }'`,
      ],
      answer: `{
  "status": "accepted",
  "count": 1,
  "timestamp": "..."
}`,
    },
    {
      heading: '8.3 强制刷新测试',
      calls: [
        `# 测试强制刷新
curl -X POST http://localhost:8001/api/v1/persistence/flush`,
      ],
      answer: `{
  "status": "flushed",
  "sessions_written": 0,
  "tasks_written": 1,
  "duration_ms": 50
}`,
    },
  ],
};

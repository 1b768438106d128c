"""Runs the usage examples of the published client, one after the other, and prints as JSON what each of them did.

Usage: examples.py URL [session-first]
With `session-first`, the client sends the session of example 1 before example 2 starts.
"""

import asyncio
import json
import logging
import sys

import client
from client import persistence_client

log = []


class Recorder(logging.Handler):
    def emit(self, record):
        log.append(f"{record.levelname}: {record.getMessage()}")


client.logger.setLevel(logging.INFO)
client.logger.addHandler(Recorder())
client.logger.propagate = False

steps = {}


def done(step, result=None):
    """Notes what a step logged, what it left in the client's buffers, and what it returned."""
    steps[step] = {
        "log": log.copy(),
        "sessions_in_client": len(persistence_client.session_buffer),
        "tasks_in_client": len(persistence_client.task_buffer),
        "result": result,
    }
    log.clear()


async def main():
    persistence_client.base_url = sys.argv[1]

    # 示例 1: 持久化会话
    session_data = {
        "session_id": "550e8400-e29b-41d4-a716-446655440000",
        "filename": "game.xlsx",
        "file_path": "/uploads/game.xlsx",
        "status": "processing",
        "llm_provider": "openai",
        "total_tasks": 1000
    }
    await persistence_client.persist_session(session_data)
    done("persist_session")

    if sys.argv[2:] == ["session-first"]:
        done("send_session", await persistence_client.flush_all())

    # 示例 2: 持久化任务
    tasks_data = [
        {
            "task_id": f"task_{i}",
            "session_id": "550e8400-e29b-41d4-a716-446655440000",
            "batch_id": "batch_001",
            "sheet_name": "Dialogue",
            "row_index": i,
            "column_name": "Text",
            "source_text": f"Text {i}",
            "status": "pending"
        }
        for i in range(100)
    ]
    await persistence_client.persist_tasks(tasks_data)
    done("persist_tasks")

    # 示例 3: 停止时强制刷新
    flushed = await persistence_client.flush_all()
    done("flush_all", flushed)

    # 示例 4: 启动时恢复会话
    incomplete_sessions = await persistence_client.get_incomplete_sessions()
    done("get_incomplete_sessions", incomplete_sessions)
    for session in incomplete_sessions:
        restored_data = await persistence_client.restore_session(session['session_id'])
        # 重建内存状态...
        done("restore_session", restored_data)

    # What the client can do besides.
    done("query_session", await persistence_client.query_session(session_data["session_id"]))
    done("query_unknown_session", await persistence_client.query_session("unknown"))


asyncio.run(main())
print(json.dumps(steps))

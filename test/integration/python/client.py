import httpx
import asyncio
from typing import List, Dict
import logging

logger = logging.getLogger(__name__)

class PersistenceClient:
    """持久化服务客户端"""

    def __init__(self, base_url: str = "http://localhost:8001"):
        self.base_url = base_url
        self.session_buffer = []
        self.task_buffer = []
        self.batch_size = 100

    async def persist_session(self, session: Dict):
        """持久化单个会话"""
        self.session_buffer.append(session)
        if len(self.session_buffer) >= self.batch_size:
            await self._flush_sessions()

    async def persist_tasks(self, tasks: List[Dict]):
        """持久化任务列表"""
        self.task_buffer.extend(tasks)
        if len(self.task_buffer) >= self.batch_size:
            await self._flush_tasks()

    async def _flush_sessions(self):
        """发送会话批次"""
        if not self.session_buffer:
            return

        batch = self.session_buffer[:self.batch_size]
        self.session_buffer = self.session_buffer[self.batch_size:]

        try:
            async with httpx.AsyncClient(timeout=2.0) as client:
                response = await client.post(
                    f"{self.base_url}/api/v1/translation/sessions/batch",
                    json={"sessions": batch}
                )
                response.raise_for_status()
                logger.info(f"Persisted {len(batch)} sessions")
        except Exception as e:
            logger.warning(f"Failed to persist sessions: {e}")

    async def _flush_tasks(self):
        """发送任务批次"""
        if not self.task_buffer:
            return

        batch = self.task_buffer[:self.batch_size]
        self.task_buffer = self.task_buffer[self.batch_size:]

        try:
            async with httpx.AsyncClient(timeout=2.0) as client:
                response = await client.post(
                    f"{self.base_url}/api/v1/translation/tasks/batch",
                    json={"tasks": batch}
                )
                response.raise_for_status()
                logger.info(f"Persisted {len(batch)} tasks")
        except Exception as e:
            logger.warning(f"Failed to persist tasks: {e}")

    async def flush_all(self):
        """强制刷新所有缓冲区"""
        await self._flush_sessions()
        await self._flush_tasks()

        try:
            async with httpx.AsyncClient(timeout=10.0) as client:
                response = await client.post(f"{self.base_url}/api/v1/translation/flush")
                result = response.json()
                logger.info(f"Server flushed: {result}")
                return result
        except Exception as e:
            logger.error(f"Failed to flush on server: {e}")
            return None

    async def get_incomplete_sessions(self) -> List[Dict]:
        """获取未完成的会话"""
        try:
            async with httpx.AsyncClient(timeout=5.0) as client:
                response = await client.get(
                    f"{self.base_url}/api/v1/translation/recovery/incomplete-sessions"
                )
                response.raise_for_status()
                return response.json()['sessions']
        except Exception as e:
            logger.error(f"Failed to get incomplete sessions: {e}")
            return []

    async def restore_session(self, session_id: str) -> Dict:
        """恢复会话数据"""
        try:
            async with httpx.AsyncClient(timeout=30.0) as client:
                response = await client.post(
                    f"{self.base_url}/api/v1/translation/recovery/restore/{session_id}"
                )
                response.raise_for_status()
                return response.json()
        except Exception as e:
            logger.error(f"Failed to restore session {session_id}: {e}")
            raise

    async def query_session(self, session_id: str) -> Dict:
        """查询会话详情"""
        try:
            async with httpx.AsyncClient(timeout=5.0) as client:
                response = await client.get(
                    f"{self.base_url}/api/v1/translation/sessions/{session_id}"
                )
                response.raise_for_status()
                return response.json()
        except Exception as e:
            logger.error(f"Failed to query session {session_id}: {e}")
            return None


# 全局客户端实例
persistence_client = PersistenceClient()

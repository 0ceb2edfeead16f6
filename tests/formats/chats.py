"""Chats with a language model, as a proxy and as LiteLLM log them. Their requests are ``dataset.chats()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.formats.dataset import CHAT_FEATURES, Request, iso, lines
from tests.formats.format import Format


def _completion(request: Request) -> dict[str, Any]:
    """OpenAI's chat completion object."""
    features = request.rows[0].features
    return {
        "id": request.id,
        "object": "chat.completion",
        "created": int(request.at.timestamp()),
        "model": request.version,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None},
                "logprobs": None,
                "finish_reason": features["finish_reason"],
            }
        ],
        "usage": {name: features[name] for name in CHAT_FEATURES[:3]},
    }


def write_openai(requests: Sequence[Request]) -> bytes:
    """A proxy's record of each call, with OpenAI's objects in it."""
    return lines(
        {
            "timestamp": iso(request.at, digits=3),
            "id": request.id,
            "status": request.status,
            "latency_ms": request.latency_ms,
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
            "response": {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
            if request.failed
            else _completion(request),
        }
        for request in requests
    )


def write_litellm(requests: Sequence[Request]) -> bytes:
    """LiteLLM's StandardLoggingPayload: times in seconds, the status in words, no tokens where a call failed."""
    return lines(map(_payload, requests))


def _payload(request: Request) -> dict[str, Any]:
    assert request.latency_ms is not None
    tokens = request.rows[0].features if not request.failed else dict.fromkeys(CHAT_FEATURES[:3], 0)
    start, seconds = request.at.timestamp(), request.latency_ms / 1000
    failure = {"error_code": str(request.status), "error_class": "RateLimitError", "llm_provider": "openai"}
    return {
        "id": request.id,
        "trace_id": request.id,
        "call_type": "acompletion",
        "stream": False,
        "status": "failure" if request.failed else "success",
        "prompt_tokens": tokens["prompt_tokens"],
        "completion_tokens": tokens["completion_tokens"],
        "total_tokens": tokens["total_tokens"],
        "startTime": start,
        "endTime": start + seconds,
        "completionStartTime": start + seconds,
        "response_time": seconds,
        "model": request.version,
        "messages": [{"role": "user", "content": "Hi"}],
        "response": {} if request.failed else _completion(request),
        "error_str": "slow down" if request.failed else None,
        "error_information": failure if request.failed else {"error_code": "", "error_class": ""},
    }


CHATS = (
    Format("openai", write_openai, features=CHAT_FEATURES[:3], version="answered"),
    Format("litellm", write_litellm, features=CHAT_FEATURES[:3]),
)

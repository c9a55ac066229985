"""Asking a language model for JSON about a call, over any endpoint that speaks OpenAI's protocol."""

from pipeline.llm.asking import Answer, Llm, Question
from pipeline.llm.conversation import Conversation
from pipeline.llm.errors import LlmFailed, LlmUnavailable
from pipeline.llm.notebook import Notebook
from pipeline.llm.refusals import Form

__all__ = ["Answer", "Conversation", "Form", "Llm", "LlmFailed", "LlmUnavailable", "Notebook", "Question"]

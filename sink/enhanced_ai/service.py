"""The enhanced-AI service of this installation, as its settings name it."""

import ssl
from ipaddress import ip_network

from schemas.errors import Permanent, SettingsError
from schemas.ports import Enhancer
from schemas.settings.outbound import EnhancedAiSettings, OutboundSettings
from sink.enhanced_ai.calls import EnhancedAiEndpoint
from sink.enhanced_ai.chat_service import ChatService, ContextWindow
from sink.enhanced_ai.json_service import JsonService
from sink.http.client import AsyncOutboundClient
from sink.http.url import UrlRules, parse_target

# the operator wrote this address, so it may lie anywhere; that it is pinned, bounded and never redirected stays
_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def enhancer_for(
    settings: EnhancedAiSettings,
    outbound: OutboundSettings,
    environment: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
) -> Enhancer | None:
    """The configured service, None when there is none; raises SettingsError for settings that do not fit together."""
    url = settings.enhanced_ai_endpoint
    if url is None:
        return None
    development = environment == "development"
    rules = UrlRules(development=development, allowed=_ANYWHERE, any_port=True)
    try:
        parse_target(url, rules)
    except Permanent as error:
        raise SettingsError(f"ENHANCED_AI_ENDPOINT: {error.detail}") from None
    client = AsyncOutboundClient(outbound, environment, ssl_context=ssl_context, rules=rules)
    key = settings.enhanced_ai_api_key
    service = EnhancedAiEndpoint(client, key.get_secret_value() if key else None, settings.enhanced_ai_timeout_seconds)
    models = settings.enhanced_ai_models
    if settings.enhanced_ai_kind == "json":
        return JsonService(service, url, models[0] if models else None)
    if not models:
        raise SettingsError("SCRIBE_ENHANCED_AI_MODELS: a chat endpoint needs the name of a model")
    window = ContextWindow(settings.enhanced_ai_window_tokens, settings.enhanced_ai_answer_tokens)
    if window.part < 2 * window.answer:
        raise SettingsError(
            "SCRIBE_ENHANCED_AI_ANSWER_TOKENS: is too much of SCRIBE_ENHANCED_AI_WINDOW_TOKENS; a fifth is enough"
        )
    return ChatService(service, url, models[0], window)

"""The page behind "Unsubscribe": one button, no script, nothing from elsewhere."""

import base64
import hashlib
from html import escape
from typing import NamedTuple

from tidings.deliveries.languages import direction_of, preferred


class Words(NamedTuple):
    title: str
    question: str
    button: str
    done: str
    invalid: str


WORDS = {
    "ar": Words(
        "إلغاء الاشتراك",
        "هل تريد التوقف عن تلقي هذه الرسائل؟",
        "إلغاء الاشتراك",
        "لن تتلقى هذه الرسائل بعد الآن.",
        "هذا الرابط غير كامل. يرجى نسخه بالكامل من الرسالة.",
    ),
    "de": Words(
        "Abmelden",
        "Möchten Sie diese Nachrichten nicht mehr erhalten?",
        "Abmelden",
        "Sie erhalten diese Nachrichten nicht mehr.",
        "Dieser Link ist nicht vollständig. Kopieren Sie ihn bitte ganz aus der Nachricht.",
    ),
    "en": Words(
        "Unsubscribe",
        "Do you want to stop getting these messages?",
        "Unsubscribe",
        "You will not get these messages any more.",
        "This link is not complete. Please copy all of it from the message.",
    ),
    "es": Words(
        "Darse de baja",
        "¿Desea dejar de recibir estos mensajes?",
        "Darse de baja",
        "Ya no recibirá estos mensajes.",
        "Este enlace no está completo. Cópielo entero del mensaje.",
    ),
    "fr": Words(
        "Se désabonner",
        "Souhaitez-vous ne plus recevoir ces messages ?",
        "Se désabonner",
        "Vous ne recevrez plus ces messages.",
        "Ce lien n’est pas complet. Veuillez le copier en entier depuis le message.",
    ),
    "ja": Words(
        "配信停止",
        "このメッセージの受信を停止しますか？",
        "配信を停止する",
        "今後、このメッセージは届きません。",
        "リンクが不完全です。メッセージ内のリンク全体をコピーしてください。",
    ),
}
STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:17px/1.5 system-ui,sans-serif;display:grid;place-content:center;justify-items:center;min-height:90vh;margin:0 24px}"
    "h1,p{text-align:center}"
    "button{font:inherit;padding:10px 24px;border:0;border-radius:8px;background:#1d4ed8;color:#fff;cursor:pointer}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    # The address of the page is what unsubscribes.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language",
}


def asking(accept_language: str) -> str:
    language = preferred(accept_language, WORDS)
    words = WORDS[language]
    # The same that a mail program posts (RFC 8058 §3.2).
    form = (
        f'<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>{escape(words.button)}</button></form>'
    )
    return page(language, f"<p>{escape(words.question)}</p>{form}")


def done(accept_language: str) -> str:
    language = preferred(accept_language, WORDS)
    return page(language, f"<p>{escape(WORDS[language].done)}</p>")


def invalid(accept_language: str) -> str:
    language = preferred(accept_language, WORDS)
    return page(language, f"<p>{escape(WORDS[language].invalid)}</p>")


def page(language: str, inner: str) -> str:
    title = escape(WORDS[language].title)
    return (
        f'<!doctype html><html lang="{language}" dir="{direction_of(language)}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title><style>{STYLE}</style></head>'
        f"<body><h1>{title}</h1>{inner}</body></html>"
    )

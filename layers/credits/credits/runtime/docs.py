"""The API's documentation page: Swagger UI with all it needs inside the page, so that nothing is fetched elsewhere."""

from pathlib import Path
from typing import Final

from aws_lambda_powertools.event_handler.openapi import swagger_ui

HTML: Final = "text/html; charset=utf-8"


def docs_page(openapi: str) -> str:
    """The page for this OpenAPI document (JSON). The UI is the one that Powertools ships."""
    assets = Path(swagger_ui.__file__).parent
    return swagger_ui.generate_swagger_html(
        spec=openapi.replace("</", "<\\/"),
        swagger_js=(assets / "swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
        swagger_css=(assets / "swagger-ui.min.css").read_text(encoding="utf-8"),
        swagger_base_url="",
        oauth2_config=None,
    )

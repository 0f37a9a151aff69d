"""All routes of `/v2/`."""

from flask import Blueprint, Response

from web.oci.asked import AskedViews
from web.oci.blobs import BlobViews
from web.oci.listings import ListingViews
from web.oci.manifests import ManifestViews
from web.oci.token import TokenViews
from web.oci.uploads import UploadViews
from web.services import Services
from web.writes import refuse_writes


def oci_blueprint(services: Services) -> Blueprint:
    """Return the routes of `/v2/`."""
    routes = Blueprint("oci", "web", url_prefix="/v2")
    for views in (ListingViews, BlobViews, UploadViews, ManifestViews, TokenViews, AskedViews):
        views(services).add_to(routes)
    routes.before_request(refuse_writes(services.registry.switches))
    routes.after_request(_say_version)
    return routes


def _say_version(answer: Response) -> Response:
    answer.headers["Docker-Distribution-API-Version"] = "registry/2.0"
    return answer

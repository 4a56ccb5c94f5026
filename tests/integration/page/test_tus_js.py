"""Uploads in pieces from a page of another site, with tus-js-client as npm has it."""

from sink.memory import MemoryObjectStore
from tests.integration.page.visits import launched
from tests.integration.shim import serving
from tests.integration.test_rest_resumable import id_in
from tests.node_packages import require_package

SIZE = 20_000_000
SCRIPT = """async ([endpoint, key, size]) => {
  const content = new Uint8Array(size).map((_, index) => index % 251);
  let pieces = 0;
  const url = await new Promise((resolve, reject) => {
    const upload = new tus.Upload(new Blob([content]), {
      endpoint,
      headers: { "X-API-Key": key },
      metadata: { filename: "call.wav" },
      chunkSize: 3_000_000,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: () => {
        pieces += 1;
        if (pieces === 2) upload.abort().then(() => upload.start());
      },
    });
    upload.start();
  });
  const body = JSON.stringify({ upload_id: url.split("/").pop() });
  const headers = { "X-API-Key": key, "Content-Type": "application/json" };
  const answer = await fetch(new URL("/api/v1/transcribe", endpoint), { method: "POST", body, headers });
  return [url, (await answer.json()).name];
}"""


def test_tus_js_client_goes_on_after_it_was_stopped(database: str) -> None:
    package, store = require_package("tus-js-client@4.3.1"), MemoryObjectStore()
    with serving(database, store, origins=("*",)) as shim, launched() as browser:
        page = browser.new_page()
        page.add_script_tag(path=package / "dist" / "tus.min.js")
        url, name = page.evaluate(SCRIPT, [f"{shim.url}/api/v1/uploads", shim.key, SIZE])
    assert name == "call.wav"
    assert store.get(f"acme/uploads/{id_in(url)}") == (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]

"""One visit in Chromium: log in, choose, wait for the job, be at the server, see how long it has, stop it."""

import httpx

# JupyterHub's scripts load after the page has, and until they have, a click on this button does nothing.
LISTENS_FOR_STOP = "() => window.jQuery?._data(document.querySelector('#stop'), 'events')?.click"


def test_a_visit_from_the_login_to_the_stop(chromium, hub, slurm, request):
    """A person who knows nothing of Slurm gets a server with the chosen resources, and gives it back."""
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(300_000)
    name = "visitor"
    request.addfinalizer(context.close)
    request.addfinalizer(lambda: hub.api("DELETE", f"/users/{name}/server"))
    page.goto(f"{hub.url}/hub/spawn")
    page.fill("#username_input", name)
    page.fill("#password_input", "x")
    page.click("#login_submit")
    page.check("input[name=partition_simple][value=gpu]", force=True)
    page.select_option("#gpu_type_simple", "V100")
    page.locator("[id='1Gpu']").check(force=True)
    page.check("#twoCores", force=True)
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url("**/hub/spawn-pending/**")
    hub.ready(name)
    page.wait_for_url(f"**/user/{name}/**", wait_until="commit")
    asked = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%P %C %b %l").splitlines()
    assert "gpu 2 gres:gpu:V100:1 1:00:00" in asked
    page.goto(f"{hub.url}/user/{name}/lab")  # to the end of the redirects by which the server logs its user in
    assert page.url.startswith(f"{hub.url}/user/{name}/")
    status = httpx.get(f"{hub.url}/user/{name}/api/status", headers={"Authorization": f"token {hub.token}"})
    assert "started" in status.json()
    page.goto(f"{hub.url}/hub/home")
    assert "ends in" in page.inner_text(".moss-left")
    page.wait_for_function(LISTENS_FOR_STOP)
    page.click("#stop")
    hub.gone(name)
    assert "gpu 2 gres:gpu:V100:1 1:00:00" not in slurm("squeue", "-h", "-t", "RUNNING", "-o", "%P %C %b %l")

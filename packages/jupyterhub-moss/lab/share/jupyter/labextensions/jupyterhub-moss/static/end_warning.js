// Warns in JupyterLab before the server's Slurm job ends. Written as the container that a bundler would make of it, so
// that there is nothing to build: JupyterLab hands its shared modules to `init` and asks for the plugin with `get`.
(() => {
  "use strict";

  const MINUTE = 60_000;
  let shared = {};

  async function fromLab(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  function words(minutes) {
    if (minutes < 1) return "less than a minute";
    return `${minutes} minute${minutes === 1 ? "" : "s"}`;
  }

  async function activate(app) {
    const [{ Notification }, { ServerConnection }] = await Promise.all(
      ["@jupyterlab/apputils", "@jupyterlab/services"].map(fromLab));
    const settings = app.serviceManager.serverSettings;
    let shown = null;

    function show(minutes) {
      const message = `Your server ends in ${words(minutes)}. Save your work: it is stopped when its time is over.`;
      if (shown === null) shown = Notification.warning(message, { autoClose: false });
      else Notification.update({ id: shown, message });
    }

    function takeAway() {
      if (shown !== null) Notification.dismiss(shown);
      shown = null;
    }

    async function look() {
      const answer = await ServerConnection.makeRequest(`${settings.baseUrl}moss/time-left`, {}, settings);
      if (answer.status === 404) return false; // a server without the extension, or of another hub
      if (!answer.ok) return true;
      const { seconds_left: left, warn_minutes: warn } = await answer.json();
      if (left !== null && left < 60 * warn) show(Math.max(0, Math.floor(left / 60)));
      else takeAway();
      return true;
    }

    async function watch() {
      // while the server or the hub does not answer, the last warning stays
      const again = await look().catch(() => true);
      if (again) setTimeout(watch, MINUTE);
    }
    // before that, nobody shows a notification; not awaited, as it waits for this
    app.restored.then(watch);
  }

  const plugin = { id: "jupyterhub-moss:end-warning", autoStart: true, activate };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["jupyterhub-moss"] = {
    init: (scope) => { shared = scope; },
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();

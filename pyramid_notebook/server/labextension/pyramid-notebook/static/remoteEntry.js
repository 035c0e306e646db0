/*
 * The page side of pyramid_notebook, for Jupyter Notebook 7 and JupyterLab 4.
 *
 * This file is a module federation container (https://module-federation.io) written by hand, so that no build step is
 * needed: the page calls `init` with the modules that Jupyter shares, then `get("./extension")` for our plugins.
 * What we need to know about the site is in the page config, as keys that begin with `pyramidNotebook`.
 */
(() => {
  "use strict";

  const SHUT_DOWN = "pyramid-notebook:shutdown";
  const SAVE_SECONDS = 10;
  const NO_SERVER = [424, 502, 503, 504];
  const STYLE = `
    #pyramid-notebook-home { display: flex; align-items: center; flex: none; padding: 0 12px; }
    #pyramid-notebook-home a { color: var(--jp-content-link-color); white-space: nowrap; text-decoration: none;
      font-size: var(--jp-ui-font-size1); }
    #pyramid-notebook-home a:hover, #pyramid-notebook-home a:focus-visible { text-decoration: underline; }
  `;

  let sharedModules = {};
  let leaving = false;

  /** Return a module that Jupyter shares: the version that the page already runs, if it runs one. */
  async function shared(name) {
    const versions = Object.values(sharedModules[name] ?? {});
    const chosen = versions.find((version) => version.loaded) ?? versions[0];
    if (chosen === undefined) {
      throw new Error(`Jupyter shares no module ${name}`);
    }
    return (await chosen.get())();
  }

  function pageConfig() {
    return JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
  }

  /** POST to a path of the door and return the JSON object of its answer; an Error's text is for the user. */
  async function post(url) {
    const response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: { Accept: "application/json" },
    });
    const answer = (await response.json().catch(() => null)) ?? {};
    if (!response.ok) {
      throw new Error(answer.message || `The site answered ${response.status} ${response.statusText}`.trim() + ".");
    }
    return answer;
  }

  /** Go to another page without the question about unsaved changes: what could be saved was saved. */
  function leaveFor(url) {
    window.addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), { capture: true });
    window.location.assign(url);
  }

  function addHomeLink(app, config, { Widget }) {
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    const link = document.createElement("a");
    link.href = config.pyramidNotebookHomeUrl;
    link.textContent = `← ${config.pyramidNotebookHomeTitle}`;
    const widget = new Widget();
    widget.id = "pyramid-notebook-home";
    widget.node.append(link);
    app.shell.add(widget, "top", { rank: -1 }); // the logo has rank 0
  }

  /**
   * Save one document. A shared one is saved by the user server, which does that by itself too, a second after a
   * change: Context.save() takes this for a change by others until the page has heard of it, and asks a wrong question.
   */
  function save(app, context) {
    if (!context.model.collaborative) {
      return context.save();
    }
    const { providers } = app.serviceManager.contents.defaultDrive.contentProviderRegistry.getProvider("rtc");
    const name = `:${context.contentsModel.type}:${context.path}`; // after the format, which contentsModel may lack
    return Promise.all([...providers].map(([key, provider]) => key.endsWith(name) && provider.save()));
  }

  /** Save all documents; rejects where one cannot be saved, or within SAVE_SECONDS is not. */
  function saveAll(app) {
    const timeout = new Promise((_, reject) => {
      setTimeout(() => reject(new Error("Saving takes too long.")), SAVE_SECONDS * 1000);
    });
    const contexts = new Set([...app.shell.widgets("main")].map((widget) => widget.context));
    // what is not loaded yet, or read-only, has nothing to save
    const documents = [...contexts].filter((context) => context?.isReady && context.contentsModel?.writable);
    return Promise.race([Promise.all(documents.map((context) => save(app, context))), timeout]);
  }

  async function confirmed({ Dialog, showDialog }, body) {
    const answer = await showDialog({
      title: "Shut down notebook?",
      body,
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Shut down" })],
    });
    return answer.button.accept;
  }

  async function shutDown(app, config, apputils) {
    if (leaving || !(await confirmed(apputils, "Your documents are saved. Running kernels and terminals end."))) {
      return;
    }
    try {
      await saveAll(app);
    } catch (error) {
      if (!(await confirmed(apputils, `A document could not be saved: ${error.message ?? error} Shut down all the same?`))) {
        return;
      }
    }
    leaving = true;
    try {
      const answer = await post(config.pyramidNotebookStopUrl);
      leaveFor(answer.location || config.pyramidNotebookHomeUrl || "/");
    } catch (error) {
      leaving = false;
      await apputils.showErrorMessage("The notebook could not be shut down", error);
    }
  }

  /** Tell whether the door says that our user server has ended; a network fault is not an answer. */
  async function serverIsGone(config) {
    try {
      const response = await fetch(`${config.baseUrl}api/status`, {
        credentials: "same-origin",
        headers: { Accept: "application/json" },
      });
      return !response.ok && (await response.json()).error === "gone";
    } catch {
      return false;
    }
  }

  /** Call back when Jupyter's own requests fail; its `connectionFailure` knows network faults, 503 and 424 only. */
  function watchRequests(serviceManager, failed) {
    const settings = serviceManager.serverSettings;
    const { fetch: send } = settings;
    settings.fetch = async (...request) => {
      const response = await send(...request);
      if (NO_SERVER.includes(response.status)) {
        failed();
      }
      return response;
    };
    serviceManager.connectionFailure.connect(failed);
  }

  /** Return a function that offers a new start, once, where the user server has ended, and says whether it has. */
  function makeOffer(config, { Notification }) {
    let offered = false;

    function offer(message) {
      Notification.error(message, {
        autoClose: false,
        actions: [{ label: "Start again", caption: "Start your notebook server", displayType: "accent", callback: start }],
      });
    }

    async function start() {
      const pending = Notification.emit("Your notebook server starts…", "in-progress", { autoClose: false });
      try {
        await post(config.pyramidNotebookStartUrl || `${config.baseUrl}-/start`);
        window.location.reload();
      } catch (error) {
        Notification.dismiss(pending);
        offer(`Your notebook server did not start. ${error.message}`);
      }
    }

    return async () => {
      if (leaving || offered) {
        return true;
      }
      const gone = await serverIsGone(config);
      if (gone && !offered && !leaving) {
        offered = true;
        offer("Your notebook server has ended.");
      }
      return gone;
    };
  }

  async function makePlugins() {
    const names = ["@jupyterlab/application", "@jupyterlab/apputils", "@lumino/widgets"];
    const [application, apputils, widgets] = await Promise.all(names.map(shared));
    const config = pageConfig();
    return [
      {
        id: "pyramid-notebook:home",
        description: "The link back to the site.",
        autoStart: true,
        activate: (app) => {
          if (config.pyramidNotebookHomeUrl) {
            addHomeLink(app, config, widgets);
          }
        },
      },
      {
        id: "pyramid-notebook:plugin",
        description: "Shuts down the user's notebook server.",
        autoStart: true,
        activate: (app) => {
          app.commands.addCommand(SHUT_DOWN, {
            label: "Shut Down Notebook…",
            caption: "Save all documents, end all kernels and go back to the site",
            isVisible: () => Boolean(config.pyramidNotebookStopUrl),
            execute: () => shutDown(app, config, apputils),
          });
        },
      },
      {
        id: "pyramid-notebook:connection-lost",
        description: "Offers to start the user's notebook server again when it has ended.",
        autoStart: true,
        provides: application.IConnectionLost,
        activate: (app) => {
          const offerIfGone = makeOffer(config, apputils);
          // Jupyter loads what draws a notification when it first needs it: too late when the server has ended
          app.restored.then(() => shared("react-toastify")).catch(console.warn);
          watchRequests(app.serviceManager, () => void offerIfGone());
          return async (manager, error, translator) => {
            if (!(await offerIfGone())) {
              await application.ConnectionLost(manager, error, translator);
            }
          };
        },
      },
    ];
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["pyramid-notebook"] = {
    init: (scope) => {
      sharedModules = scope;
    },
    get: async (name) => {
      if (name !== "./extension") {
        throw new Error(`pyramid-notebook has no module ${name}`);
      }
      const plugins = await makePlugins();
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();

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
  const FOCUS_EVENT = "urn:pyramid-notebook:focus:v1";
  const ANYWAY = "?notebook_anyway=yes";
  const SAVE_SECONDS = 10;
  const RETRY_SECONDS = 2;
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
      const message = answer.message || `The site answered ${response.status} ${response.statusText}`.trim() + ".";
      throw Object.assign(new Error(message), { reason: answer.error });
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

  /** Let the door stop the user server; it refuses where that would lose work, unless the user does not mind. */
  async function stop(config, apputils, anyway) {
    const url = config.pyramidNotebookStopUrl;
    try {
      return await post(anyway ? url + ANYWAY : url);
    } catch (error) {
      if (error.reason === "unsaved" && (await confirmed(apputils, `${error.message} Shut down all the same?`))) {
        return post(url + ANYWAY);
      }
      throw error;
    }
  }

  async function shutDown(app, config, apputils) {
    if (leaving || !(await confirmed(apputils, "Your documents are saved. Running kernels and terminals end."))) {
      return;
    }
    let anyway = false;
    try {
      await saveAll(app);
    } catch (error) {
      anyway = true;
      const reason = error.message ?? error;
      if (!(await confirmed(apputils, `A document could not be saved: ${reason} Shut down all the same?`))) {
        return;
      }
    }
    leaving = true;
    try {
      const answer = await stop(config, apputils, anyway);
      leaveFor(answer.location || config.pyramidNotebookHomeUrl || "/");
    } catch (error) {
      leaving = false;
      await apputils.showErrorMessage("The notebook could not be shut down", error);
    }
  }

  /** Ask the door for our user server: "gone" when it has ended, "silent" when the site does not answer, or "here". */
  async function askDoor(config) {
    let response;
    try {
      response = await fetch(`${config.baseUrl}api/status`, {
        credentials: "same-origin",
        headers: { Accept: "application/json" },
      });
    } catch {
      return "silent";
    }
    const answer = response.ok ? null : await response.json().catch(() => null);
    return answer?.error === "gone" ? "gone" : "here";
  }

  /** Call back when Jupyter's own requests fail; its `connectionFailure` knows only those that it repeats. */
  function watchRequests(serviceManager, failed) {
    const settings = serviceManager.serverSettings;
    const { fetch: send } = settings;
    settings.fetch = async (...request) => {
      const response = await send(...request).catch((error) => {
        failed();
        throw error;
      });
      if (NO_SERVER.includes(response.status)) {
        failed();
      }
      return response;
    };
    serviceManager.connectionFailure.connect(failed);
  }

  /** Connect the kernels of all documents: Jupyter waits up to half a minute for that, and after some minutes gives up. */
  async function reconnect(app) {
    for (const { context } of app.shell.widgets("main")) {
      const kernel = context?.sessionContext.session?.kernel;
      if (kernel && kernel.connectionStatus !== "connected") {
        await kernel.reconnect();
      }
      kernel?.requestExecute({ code: "", silent: true }); // its status is unknown until it does something
    }
  }

  /** Return a function that says, once, that the site does not answer, and goes on when it does. */
  function makePatience(app, config, { Notification }) {
    let waiting = null;

    async function wait() {
      const message = "The site does not answer. Your notebook goes on as soon as it does.";
      const notice = Notification.emit(message, "in-progress", { autoClose: false });
      while ((await askDoor(config)) === "silent") {
        await new Promise((resolve) => setTimeout(resolve, RETRY_SECONDS * 1000));
      }
      Notification.dismiss(notice);
      await reconnect(app).catch(console.warn);
    }

    return () => {
      waiting ??= wait().finally(() => {
        waiting = null;
      });
    };
  }

  /** Return a function that offers a new start, once. */
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

    return () => {
      if (!offered) {
        offered = true;
        offer("Your notebook server has ended.");
      }
    };
  }

  /** Return a function that finds out why requests fail, tells the user, and returns whether there was a reason. */
  function makeWatch(app, config, apputils) {
    const handlers = { gone: makeOffer(config, apputils), silent: makePatience(app, config, apputils) };
    return async () => {
      const state = leaving ? "leaving" : await askDoor(config);
      if (!leaving) {
        handlers[state]?.();
      }
      return state !== "here";
    };
  }

  /** Show a cell of a notebook that is open here; an editor asks for it. */
  async function showCell(app, { path, cell }) {
    for (const widget of app.shell.widgets("main")) {
      const cells = widget.content?.widgets;
      const own = widget.context && app.serviceManager.contents.localPath(widget.context.path);
      const index = own === path ? cells?.findIndex((shown) => shown.model?.id === cell) ?? -1 : -1;
      if (index >= 0) {
        app.shell.activateById(widget.id);
        widget.content.activeCellIndex = index;
        await widget.content.scrollToItem(index, "smart");
      }
    }
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
        id: "pyramid-notebook:focus",
        description: "Shows the cell that an editor asks for.",
        autoStart: true,
        activate: (app) => {
          app.serviceManager.events.stream.connect((_, event) => {
            if (event.schema_id === FOCUS_EVENT) {
              showCell(app, event).catch(console.warn);
            }
          });
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
        description: "Tells why the connection is lost, and offers to start a notebook server that has ended.",
        autoStart: true,
        provides: application.IConnectionLost,
        activate: (app) => {
          const tellWhy = makeWatch(app, config, apputils);
          // Jupyter loads what draws a notification when it first needs it: too late when the server has ended
          app.restored.then(() => shared("react-toastify")).catch(console.warn);
          watchRequests(app.serviceManager, () => void tellWhy());
          return async (manager, error, translator) => {
            if (!(await tellWhy())) {
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

/// The script of the status page. The page is complete without it.
enum PageScript {
    /// Fetches the page every few seconds and updates only the differences, so that nothing flickers and expanded,
    /// selected and scrolled parts stay. Reports when the daemon does not answer. Texts become text nodes, never markup:
    /// the page is parsed as a separate document, in which scripts do not run.
    static let javascript = #"""

        "use strict";
        (() => {
          const period = 5000, limit = 8000;
          const view = document.getElementById("view"), lost = document.getElementById("lost");
          const script = document.currentScript.textContent;
          let answered = Date.now(), asking = false, timer = 0;

          const key = node => node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
          const alike = (one, other) => one.nodeName === other.nodeName && key(one) === key(other);

          function become(node, next) {
            if (node.nodeType !== Node.ELEMENT_NODE) {
              if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
              return;
            }
            for (const name of node.getAttributeNames()) {
              if (name !== "open" && !next.hasAttribute(name)) node.removeAttribute(name);
            }
            for (const name of next.getAttributeNames()) {
              const value = next.getAttribute(name);
              if (name !== "open" && node.getAttribute(name) !== value) node.setAttribute(name, value);
            }
            let old = node.firstChild;
            for (const child of [...next.childNodes]) {
              let match = old;
              // All text nodes are alike: a later one belongs to another element.
              while (match && !alike(match, child)) match = child.nodeType === Node.ELEMENT_NODE ? match.nextSibling : null;
              if (!match) {
                node.insertBefore(document.importNode(child, true), old);
                continue;
              }
              while (old !== match) {
                const gone = old;
                old = old.nextSibling;
                gone.remove();
              }
              become(match, child);
              old = match.nextSibling;
            }
            while (old) {
              const gone = old;
              old = old.nextSibling;
              gone.remove();
            }
          }

          function live(text) {
            const label = document.getElementById("live");
            if (label) label.textContent = text;
          }

          function found() {
            answered = Date.now();
            lost.hidden = true;
            live("Live, last at");
          }

          function missed(why) {
            const seconds = Math.round((Date.now() - answered) / 1000);
            const text = `No answer from the daemon for ${seconds} s (${why}). What you see is older.`;
            if (lost.textContent !== text) lost.textContent = text;
            lost.hidden = false;
            live("Not live, last at");
          }

          async function update() {
            clearTimeout(timer);
            if (asking) return;
            asking = true;
            try {
              const answer = await fetch(location.pathname + location.search, {cache: "no-store", signal: AbortSignal.timeout(limit)});
              if (!answer.ok) throw new Error(`status ${answer.status}`);
              const next = new DOMParser().parseFromString(await answer.text(), "text/html");
              const nextScript = next.querySelector("body > script");
              if (!nextScript || !next.getElementById("view")) throw new Error("another program answers here");
              // Another version of the program is running.
              if (nextScript.textContent !== script) return location.reload();
              document.title = next.title;
              become(document.getElementById("icon"), next.getElementById("icon"));
              become(view, next.getElementById("view"));
              found();
            } catch (error) {
              missed(error.name === "TimeoutError" ? "it is slow" : error.name === "TypeError" ? "not reachable" : error.message);
            } finally {
              asking = false;
              if (!document.hidden) timer = setTimeout(update, period);
            }
          }

          document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : update());
          found();
          timer = setTimeout(update, period);
        })();

        """#
}

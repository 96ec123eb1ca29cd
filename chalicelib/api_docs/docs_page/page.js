// Shows the two documents: REST with Swagger UI, the WebSocket's messages as a list.
"use strict";

const root = document.body.dataset.root;

SwaggerUIBundle({
  url: `${root}openapi.json`,
  domNode: document.getElementById("rest"),
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
});

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.append(text, ...children);
  return made;
}

// The documents use two Markdown features: bold, which is dropped here, and code.
function prose(text) {
  const parts = text.replaceAll("**", "").split("`");
  return element("p", "", ...parts.map((part, at) => (at % 2 ? element("code", part) : part)));
}

function json(title, value) {
  return element("details", "", element("summary", title), element("pre", JSON.stringify(value, null, 2)));
}

function resolve(document_, reference) {
  return reference.slice(2).split("/").reduce((inner, key) => inner[key], document_);
}

function direction(contract, title, action) {
  const operations = Object.values(contract.operations).filter((one) => one.action === action);
  const replies = Object.values(contract.operations).flatMap((one) => one.reply?.messages ?? []);
  const messages = operations.flatMap((one) => one.messages);
  const all = action === "send" ? [...messages, ...replies] : messages;
  const references = [...new Set(all.map((one) => one.$ref))];
  const listed = references.map((reference) => {
    const message = resolve(contract, resolve(contract, reference).$ref);
    const schema = resolve(contract, message.payload.$ref);
    return element(
      "article",
      "",
      element("h4", message.name),
      prose(message.summary),
      json("Schema", schema),
      ...message.examples.map((one) => json("Example", one.payload)),
    );
  });
  return element("div", "", element("h3", title), ...listed);
}

async function socket() {
  const contract = await (await fetch(`${root}asyncapi.json`)).json();
  const channel = contract.channels.session;
  document.getElementById("socket").append(
    element("h2", "WebSocket"),
    ...`${contract.info.description}\n\n${channel.description}`
      .split("\n\n")
      .map(prose),
    direction(contract, "Server messages", "send"),
    direction(contract, "Client messages", "receive"),
  );
}

socket();

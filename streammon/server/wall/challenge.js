// The page that a caller opens: it shows what the server says, and says when it was painted.

const body = document.body;
const part = (id) => document.getElementById(id);
let begun = false;

function enter(state) {
  body.dataset.state = state;
  for (const section of document.querySelectorAll("section")) {
    section.hidden = section.id !== state;
  }
}

function painted() {
  // The first frame after a change is where it is drawn, the second where it has been shown.
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}

function refused(why) {
  finish("This did not work", why || "The connection broke off: ask for a new link.");
}

async function ask() {
  // A link that is no good is said to be so before anybody dims the room. Only the server's own
  // word counts: whatever else comes back, Begin finds out.
  const answer = await fetch(`${location.pathname}/link`).catch(() => null);
  const said = answer?.ok && (await answer.json().catch(() => null));
  if (begun) return; // it is used now, by this page: the answer may say so
  if (said?.refused) refused(said.refused);
}

function finish(title, why) {
  body.style.backgroundColor = "";
  part("verdict").textContent = title;
  part("why").textContent = why;
  enter("over");
  if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
}

async function follow(socket, said) {
  if (said.show) {
    enter("light");
    body.style.backgroundColor = said.show;
    await painted();
    socket.send(JSON.stringify({ painted: said.step }));
  } else if (said.phrase) {
    body.style.backgroundColor = "";
    part("gesture").textContent = said.gesture;
    part("phrase").textContent = said.phrase;
    enter("ask");
  } else if (said.done) {
    finish("Thank you", "That was all. You may close this page.");
  }
}

async function begin() {
  begun = true;
  part("begin").disabled = true;
  await document.documentElement.requestFullscreen?.().catch(() => {});
  const address = new URL(`${location.pathname}/light`, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  socket.onmessage = (event) => follow(socket, JSON.parse(event.data));
  socket.onclose = (event) => {
    if (body.dataset.state === "over") return;
    if (event.code === 4409) {
      part("begin").disabled = false;
      enter("ready");
      part("begin").textContent = "Another check goes on: try again";
      return;
    }
    refused(event.reason);
  };
}

part("begin").addEventListener("click", begin);
ask();

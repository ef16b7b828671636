import { TidingsInbox, TidingsProvider, useUnreadCount } from "@tidings/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TIDINGS_URL, freshToken } from "../your-back-end";

function App() {
  return (
    <TidingsProvider url={TIDINGS_URL} token={freshToken}>
      <TidingsInbox toast />
      <Unread />
    </TidingsProvider>
  );
}

/** Drawn by the page itself, from the same notifications. */
function Unread() {
  return (
    <p>
      Unread: <output>{useUnreadCount()}</output>
    </p>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

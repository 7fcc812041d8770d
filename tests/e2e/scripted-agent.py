# An agent that speaks the Agent Client Protocol and does what its message says, line by line. For tests.
#
#   say TEXT · think TEXT · plan TEXT · run COMMAND (asks first) · read PATH · write PATH TEXT · wait PATH (until it is there)
#   terminal COMMAND (waits for it, says what it printed) · background COMMAND (in a terminal, not waited for) · kill (the last terminal)
#   until TEXT (the last terminal has printed it) · release (the last terminal) · open JSON (a terminal with these parameters; says what comes of it)
#   fill COUNT BYTES (the same, with so many variables of so many bytes) · context TOKENS (are in it) · call (a model, by the sandbox's endpoint)
#   die CODE · hang · flood · garble · long · loop · spawn COMMAND (left running)
import json, os, subprocess, sys, time, urllib.request

conversations = os.path.expanduser("~/.scripted-agent")
os.makedirs(conversations, exist_ok=True)
next_id = 0
terminal = None
tools = 0


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def receive():
    while True:
        line = sys.stdin.readline()
        if line == "":
            sys.exit(0)
        if line.strip() == "":
            continue
        return json.loads(line)


def update(session, what, **fields):
    send({"method": "session/update", "params": {"sessionId": session, "update": {"sessionUpdate": what, **fields}}})


class Canceled(Exception):
    pass


def ask(method, params):
    global next_id
    mine = next_id
    next_id += 1
    send({"id": mine, "method": method, "params": params})
    while True:
        message = receive()
        if message.get("method") == "session/cancel":
            raise Canceled()
        if message.get("id") == mine and "method" not in message:
            return message


def text(of):
    return {"type": "text", "text": of}


def run(session, command):
    global tools
    tools += 1
    call = f"call{tools}"
    update(session, "tool_call", toolCallId=call, title="run", kind="execute", status="pending", rawInput={"command": command})
    options = [{"optionId": "yes", "name": "Yes", "kind": "allow_once"}, {"optionId": "no", "name": "No", "kind": "reject_once"}]
    tool = {"toolCallId": call, "title": "run", "kind": "execute", "rawInput": {"command": command}}
    answer = ask("session/request_permission", {"sessionId": session, "toolCall": tool, "options": options})
    outcome = answer["result"]["outcome"]
    if outcome.get("optionId") != "yes":
        update(session, "tool_call_update", toolCallId=call, status="failed", content=[{"type": "content", "content": text("not permitted")}])
        return
    update(session, "tool_call_update", toolCallId=call, status="in_progress")
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    status = "completed" if done.returncode == 0 else "failed"
    update(session, "tool_call_update", toolCallId=call, status=status, content=[{"type": "content", "content": text(done.stdout + done.stderr)}])


def in_terminal(method, session, **params):
    answer = ask(f"terminal/{method}", {"sessionId": session, **params})
    if "error" in answer:
        update(session, "agent_message_chunk", content=text(answer["error"]["message"]))
        return None
    return answer["result"]


def use_terminal(session, command, waits):
    global terminal
    opened = in_terminal("create", session, command=command, outputByteLimit=100)
    if opened is None:
        return
    terminal = opened["terminalId"]
    if waits:
        in_terminal("wait_for_exit", session, terminalId=terminal)
        say_terminal(session)
        in_terminal("release", session, terminalId=terminal)


def say_terminal(session):
    update(session, "agent_message_chunk", content=text(json.dumps(in_terminal("output", session, terminalId=terminal))))


def act(session, line):
    word, _, rest = line.partition(" ")
    if word == "say":
        for piece in rest.split(" "):
            update(session, "agent_message_chunk", content=text(piece + " "))
    elif word == "think":
        update(session, "agent_thought_chunk", content=text(rest))
    elif word == "plan":
        update(session, "plan", entries=[{"content": rest, "status": "in_progress", "priority": "high"}])
    elif word == "run":
        run(session, rest)
    elif word == "read":
        answer = ask("fs/read_text_file", {"sessionId": session, "path": rest})
        update(session, "agent_message_chunk", content=text(json.dumps(answer.get("result") or answer.get("error"))))
    elif word == "write":
        path, _, content = rest.partition(" ")
        answer = ask("fs/write_text_file", {"sessionId": session, "path": path, "content": content + "\n"})
        if "error" in answer:
            update(session, "agent_message_chunk", content=text(json.dumps(answer["error"])))
    elif word in ("terminal", "background"):
        use_terminal(session, rest, word == "terminal")
    elif word == "until":
        while rest not in in_terminal("output", session, terminalId=terminal)["output"]:
            time.sleep(0.02)
        say_terminal(session)
    elif word == "release":
        in_terminal("release", session, terminalId=terminal)
    elif word in ("open", "fill"):
        count, size = rest.split(" ") if word == "fill" else (0, 0)
        env = [{"name": f"V{n}", "value": "x" * int(size)} for n in range(int(count))]
        opened = in_terminal("create", session, **(json.loads(rest) if word == "open" else {"command": "true", "env": env}))
        if opened is not None:
            in_terminal("wait_for_exit", session, terminalId=opened["terminalId"])
            update(session, "agent_message_chunk", content=text("opened"))
    elif word == "context":
        update(session, "usage_update", used=int(rest), size=200000)
    elif word == "call":
        asked = {"model": "scripted", "messages": [{"role": "user", "content": "from the sandbox"}]}
        headers = {"content-type": "application/json"}
        url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), headers)).read()
    elif word == "kill":
        in_terminal("kill", session, terminalId=terminal)
        in_terminal("wait_for_exit", session, terminalId=terminal)
        say_terminal(session)
    elif word == "wait":
        while not os.path.exists(rest):
            time.sleep(0.02)
    elif word == "spawn":
        subprocess.Popen(["sh", "-c", rest])
    elif word == "die":
        sys.stderr.write("it is too much\n")
        sys.stderr.flush()
        os._exit(int(rest))
    elif word == "hang":
        while True:
            time.sleep(60)
    elif word == "flood":
        while True:
            update(session, "agent_message_chunk", content=text("x" * 50_000))
    elif word == "long":
        sys.stdout.write("x" * 6_000_000)
        sys.stdout.flush()
    elif word == "garble":
        for _ in range(200):
            print("this is no message", flush=True)
    elif word == "loop":
        n = 0
        while True:
            n += 1
            update(session, "tool_call", toolCallId=f"loop{n}", title="again", kind="read", status="completed")


def prompted(session, said):
    with open(f"{conversations}/{session}", "a") as file:
        file.write(said + "\n")
    for line in said.split("\n"):
        if line == "recall":
            with open(f"{conversations}/{session}") as file:
                update(session, "agent_message_chunk", content=text(file.read()))
        else:
            act(session, line)


while True:
    message = receive()
    method, params, mine = message.get("method"), message.get("params") or {}, message.get("id")
    if method == "initialize":
        capabilities = {"loadSession": os.environ.get("CANNOT_LOAD") is None}
        send({"id": mine, "result": {"protocolVersion": 1, "agentCapabilities": capabilities}})
    elif method == "session/new":
        session = f"s{os.getpid()}-{time.time_ns()}"
        open(f"{conversations}/{session}", "w").close()
        send({"id": mine, "result": {"sessionId": session}})
    elif method == "session/load":
        session = params["sessionId"]
        if not os.path.exists(f"{conversations}/{session}"):
            send({"id": mine, "error": {"code": -32602, "message": "there is no such session"}})
            continue
        with open(f"{conversations}/{session}") as file:
            for line in file:
                update(session, "user_message_chunk", content=text(line))
                update(session, "agent_message_chunk", content=text("again: " + line))
        send({"id": mine, "result": {}})
    elif method == "session/prompt":
        try:
            prompted(params["sessionId"], params["prompt"][0]["text"])
            send({"id": mine, "result": {"stopReason": "end_turn", "usage": {"totalTokens": 7, "inputTokens": 4, "outputTokens": 3}}})
        except Canceled:
            send({"id": mine, "result": {"stopReason": "cancelled"}})

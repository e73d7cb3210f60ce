"""Where a model's file comes from: the browser, or the store's folder `incoming`."""

import streamlit as st

from dashboard.widgets import jobs, page, url, words
from jobs.models import inbox

PLACES = {"upload": "Upload a file", "server": "On the server", "hub": "Hugging Face hub"}
KEPT = ("add", "from", "model", "of", "replace", "role", "find")  # parameters that outlive another file
HUB_HELP = (
    "The 40 digits of a commit are on the model's page under 'Files and versions'. Only weights in "
    "safetensors are read, and no code of the repository is run."
)


def choose(role: str) -> dict[str, str] | None:
    """Draw the choice of a file, a folder or a name on the hub; what a request names, or None."""
    place = url.choice(
        st.segmented_control,
        "Where is it?",
        "from",
        [place for place in PLACES if place != "hub" or role == "segmenter"],
        required=True,
        format_func=lambda name: PLACES[name],
        reset=("file", "hub"),
    )
    if place == "hub":
        name = url.text(
            st.text_input,
            "Name and revision",
            "hub",
            placeholder="owner/name@revision",
            help=HUB_HELP,
            reset=("key", "family", "name"),
        ).strip()
        return {"hub": f"hub:{name.removeprefix('hub:')}"} if name else None
    file = uploaded() if place == "upload" else on_server()
    return {"file": file} if file else None


def kept_names() -> list[str]:
    """The parameters in the address that say nothing about a file."""
    return [name for name in st.query_params if name in KEPT]


def uploaded() -> str | None:
    """Draw what was uploaded, or where to drop a file."""
    kept = url.get("file")
    if kept:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/draft: {words.plain(kept.rpartition('/')[2][9:])}", width="content")
            url.turn("Another file", "another-file", **{name: url.get(name) for name in kept_names()})
        return kept
    number = st.session_state.setdefault("uploads", 0)
    file = st.file_uploader(
        "A checkpoint: a file of torch.save, safetensors, or a pickle. Nothing in it is run.",
        key=f"upload-{number}",
        max_upload_size=None,
    )
    if file is None:
        return None
    with st.spinner("Keeping the file"):
        name = inbox.keep(page.layout(), file.name, file)
    st.session_state["uploads"] = number + 1  # an empty uploader takes its place, and frees the memory
    url.put(file=name)
    st.rerun()


def on_server() -> str | None:
    """Draw the choice of a file or folder in `incoming`."""
    found = {each.name: each for each in inbox.listed(page.layout()) if not each.uploaded}
    st.caption(
        "Files and folders in the folder incoming of the store can be chosen here. Put large checkpoints, "
        "and folders of Hugging Face models, there on the server."
    )
    if not found:
        st.info("The folder incoming is empty.", icon=":material/folder_open:")
        return None
    name = url.choice(
        st.selectbox,
        "File or folder",
        "file",
        ["", *found],
        reset=[name for name in st.query_params if name not in (*kept_names(), "file")],
        format_func=lambda name: label(found[name]) if name else "choose one",
    )
    return name or None


def label(each: inbox.Incoming) -> str:
    """A file's name and size. An age would change the options, and with them the choice."""
    return f"{each.name} ({'folder, ' if each.folder else ''}{jobs.size(each.bytes)})"

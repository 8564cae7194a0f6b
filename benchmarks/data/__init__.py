"""Readers of the data sets: they make the clip index."""

VIDEO_LAYOUTS = (
    "avsbench",
    "vggss",
    "lu_avs",
)  # of `extract-video`; here, as the command line asks for them

"""The page `index.html`: results to sort, to compare, to look at and to listen to.

`numbers.py` and `pairs.py` make what it shows,
all of it by the report's own statistics; `clips.py` and `masks.py` make the clips; `build.py` joins
them with `page.html`, `style.css` and the scripts. It opens from a file and asks no network.
"""

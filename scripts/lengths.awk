# Functions of more than 60 lines and files of more than 700, as `file:line: what`. The layout is clang-format's: a definition's
# opening brace stands alone in the first column, and so does its closing one. Exit status 1 if there is one.
FNR == 1 { end_file(); file = FILENAME; begin = 0 }
{ lines = FNR }
/^\{$/ { begin = FNR }
/^\}$/ && begin {
    if (FNR - begin - 1 > 60)
        complain(begin - 1, "a function of " FNR - begin - 1 " lines")
    begin = 0
}
END { end_file(); exit found }

function end_file() {
    if (file != "" && lines > 700)
        complain(1, "a file of " lines " lines")
}

function complain(line, what) {
    printf "%s:%d: %s\n", file, line, what
    found = 1
}

# Strings, hashes and arrays: what a report script does to a log.
use strict;
use warnings;

my $count = shift;
my (%seen, %lists, @lines);
for my $i (1 .. $count) {
    my $line = sprintf("%05d host%d GET /path/%d/%s %d", $i, $i % 37, $i * 7919 % 1009, "x" x ($i % 40), $i % 500);
    push @lines, $line;
    my ($number, $host, $verb, $path, $code) = split / /, $line;
    $seen{$path}++;
    push @{$lists{$host}{$code % 50}}, [$number, $path];
    if ($i % 1000 == 0) {
        my @sorted = sort { length($a) <=> length($b) || $a cmp $b } @lines;
        @lines = grep { !/[13579] / } @sorted[0 .. $#sorted / 4];
    }
}
my $total = 0;
for my $host (sort keys %lists) {
    my $joined = join ",", map { scalar @{$lists{$host}{$_}} } sort keys %{$lists{$host}};
    $total += length $joined;
    delete $lists{$host} if $total % 2;
}
my $text = join "\n", map { s/path/road/r } sort keys %seen;
print scalar(keys %seen), " $total ", length $text, " ", scalar(keys %lists), "\n";

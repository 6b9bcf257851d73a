echo "hostname=$(uname -n)"
